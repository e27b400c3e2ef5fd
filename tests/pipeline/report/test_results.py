from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.report.results import (
    ResultsError,
    dataset_metrics,
    mos_source,
    read_json,
    read_predictions,
    rounded,
)

HEADER = (
    "video_id,split,content,impairment,motion,mos,mos_source,score,score_std,level,p_bad,p_poor,"
    "p_fair,p_good,p_excellent,score_generated,impairment_answer,motion_answer,ridge,svr\n"
)
ROW = "NA,test,null,none,smooth,55,vmaf,60,9,good,0,0,0,1,0,,none,,50.5,\n"


def test_odd_ids_stay_and_empty_numbers_are_nan(tmp_path: Path) -> None:
    path = tmp_path / "demo.csv"
    path.write_text(HEADER + ROW)
    row = read_predictions(path).iloc[0]
    assert (row["video_id"], row["content"], row["impairment"]) == ("NA", "null", "none")
    assert row["motion_answer"] == "" and np.isnan(row["svr"]) and row["ridge"] == 50.5


def test_wrong_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "demo.csv"
    with pytest.raises(ResultsError, match=r"demo.csv: missing; run `lmm-vqa predict demo`"):
        read_predictions(path)
    path.write_text(HEADER.replace(",svr", "") + ROW.rsplit(",", 1)[0] + "\n")
    with pytest.raises(ResultsError, match=r"columns \['svr'\] are missing"):
        read_predictions(path)
    path.write_text(HEADER + ROW.replace(",60,", ",sixty,"))
    with pytest.raises(ResultsError, match="not predictions"):
        read_predictions(path)


def test_read_json(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with pytest.raises(ResultsError, match="run `lmm-vqa tune`"):
        read_json(path, "tune")
    path.write_text("{")
    with pytest.raises(ResultsError, match="not valid JSON"):
        read_json(path, "tune")
    path.write_text("[1]")
    with pytest.raises(ResultsError, match="holds list"):
        read_json(path, "tune")


def predictions(n: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    mos = rng.uniform(0, 100, n)
    return pd.DataFrame(
        {
            "video_id": [f"v{i}" for i in range(n)],
            "split": ["train", "val", "test", "test"] * (n // 4),
            "content": [f"c{i // 2}" for i in range(n)],
            "impairment": "",
            "motion": "smooth",
            "mos": mos,
            "mos_source": "vmaf",
            "score": mos,
            "score_std": 10.0,
            "level": "good",
            "score_generated": np.nan,
            "impairment_answer": "blur",
            "motion_answer": "smooth",
            "ridge": 100 - mos,
            "svr": mos / 2,
        }
    )


def test_dataset_metrics() -> None:
    table = predictions()
    found = dataset_metrics(table, 100, 0)
    assert set(found) == {"mos_source", "test", "val"} and found["mos_source"] == "vmaf"
    test = found["test"]
    assert test["lmm_vqa"]["n"] == 20 and found["val"]["lmm_vqa"]["n"] == 10
    assert test["lmm_vqa"]["srcc"] == pytest.approx(1) and test["lmm_vqa"]["rmse"] == 0
    assert test["ridge"]["srcc"] == pytest.approx(-1) and "falls" in test["ridge"]["reason"]
    assert "lmm_vqa_generated" not in test  # a head that was taught no numbers
    in_test = table[table["split"] == "test"]
    assert test["level"]["accuracy"] == in_test["mos"].between(60, 79.999).mean()
    assert test["motion"]["accuracy"] == 1
    assert sum(sum(row.values()) for row in test["level"]["confusion"].values()) == 20
    assert "impairment" not in test  # no truth, no number


def test_parts_of_the_head_and_paired_tests() -> None:
    rng = np.random.default_rng(1)
    table = predictions(200).assign(**dict.fromkeys(("p_bad", "p_poor", "p_good"), 0.0))
    table = table.assign(p_fair=0.5, p_excellent=0.5, mos_std=8.0, fps=[30.0, 60.0] * 100)
    table["score"] = table["mos"] + rng.normal(0, 10, 200)
    table["ridge_temporal"] = rng.uniform(0, 100, 200)
    found = dataset_metrics(table, 200, 0)["test"]
    assert found["lmm_vqa"]["outlier_n"] == 100 and 0.02 < found["lmm_vqa"]["outlier_ratio"] < 0.3
    assert found["calibration"]["score_std"]["coverage_68"] == pytest.approx(0.68, abs=0.12)
    assert found["calibration"]["levels"]["n"] == 100
    assert set(found["breakdown"]) == {"frame_rate"}  # no size known, two clips a content
    assert [row["n"] for row in found["breakdown"]["frame_rate"].values()] == [50, 50]
    assert set(found["against"]) == {"ridge", "svr", "ridge_temporal"}  # no spatial one was there
    assert found["against"]["ridge_temporal"]["srcc"]["low"] > 0
    assert found["against"]["ridge_temporal"]["williams"]["plcc_p"] < 1e-6
    assert found["against"]["svr"]["srcc"]["difference"] < 0  # svr is the label halved


def test_without_labels_there_are_no_metrics() -> None:
    nothing_known = predictions().assign(mos=np.nan, impairment="", motion="")
    assert dataset_metrics(nothing_known, 100, 0) == {}
    assert dataset_metrics(predictions().assign(split="train"), 100, 0) == {}


def test_videos_without_a_score_count_where_their_answer_is_known() -> None:
    frozen = predictions().assign(mos=np.nan, impairment="freeze", motion="")
    found = dataset_metrics(frozen, 100, 0)["test"]
    assert found["impairment"]["n"] == (frozen["split"] == "test").sum()
    assert found["lmm_vqa"]["n"] == 0


def test_sources_of_labels_are_all_named() -> None:
    table = pd.DataFrame({"mos": [1.0, 2, np.nan, 4], "mos_source": ["vmaf", "", "x", "human"]})
    assert mos_source(table) == "human, not stated, vmaf"


def test_rounded() -> None:
    assert rounded({"a": 1.23456789, "b": {"c": float("nan")}, "n": 3, "t": "x"}) == {
        "a": 1.234568,
        "b": {"c": None},
        "n": 3,
        "t": "x",
    }
    assert rounded({"p": 0.0000312345}) == {"p": 3.12e-05}
