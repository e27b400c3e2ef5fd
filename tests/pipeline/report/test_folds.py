import math

import numpy as np
import pandas as pd
import pytest

from llm_head.metrics import srcc
from pipeline.report.folds import summary


def part(seed: int, videos: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    mos = rng.uniform(0, 100, videos)
    return pd.DataFrame(
        {
            **{"video_id": [f"v{n}" for n in range(videos)], "split": "test", "content": ""},
            **{"impairment": "", "motion": "", "mos": mos, "mos_source": "human"},
            **{"score": mos + rng.normal(0, 10 * seed, videos), "score_std": 9.0, "level": "fair"},
            **{"score_generated": np.nan, "impairment_answer": "", "motion_answer": ""},
            **{"ridge": mos, "svr": mos},
        }
    ).assign(ridge_spatial=np.nan, ridge_temporal=np.nan)


def test_medians_means_and_deviations() -> None:
    tables = {number: part(seed=number) for number in range(1, 6)}
    found = summary(tables, 100, 0)
    of_parts = [srcc(table["score"], table["mos"]) for table in tables.values()]
    assert found["median"]["lmm_vqa"]["srcc"] == pytest.approx(np.median(of_parts))
    assert found["mean"]["lmm_vqa"]["srcc"] == pytest.approx(np.mean(of_parts))
    assert found["std"]["lmm_vqa"]["srcc"] == pytest.approx(np.std(of_parts))
    assert found["median"]["ridge"]["srcc"] == pytest.approx(1)
    assert set(found["median"]) == {"lmm_vqa", "ridge", "svr"}  # the rest predicted nothing
    assert found["videos"] == 200 and found["mos_source"] == "human"
    assert found["parts"]["3"]["lmm_vqa"]["srcc_low"] < of_parts[2]


def test_a_part_without_a_number_is_not_passed_over() -> None:
    found = summary({1: part(1), 2: part(2), 3: part(3).assign(score=50.0)}, 100, 0)
    assert math.isnan(found["median"]["lmm_vqa"]["srcc"])
    assert found["parts"]["3"]["lmm_vqa"]["reason"].startswith("predictions or labels are constant")
