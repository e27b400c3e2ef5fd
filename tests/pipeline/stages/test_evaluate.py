import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import layout, manifest
from pipeline.report.results import ResultsError
from pipeline.settings import Params
from pipeline.stages import evaluate


def params() -> Params:
    demo = {"root": "data/raw/demo", "labels": "labels.csv", "mos_source": "vmaf"}
    return Params.model_validate(
        {
            "seed": 1,
            "datasets": {"demo": demo, "wild": demo, "unlabelled": {"root": "elsewhere"}},
            "demo": {"shots": 4, "wild_shots": 1, "clip_s": 1, "clips_per_shot": 2},
            "weights": {"spatial": "none", "temporal": "none", "llm": "none"},
            "spatial": {
                **{"model": "m", "pretrained": "random", "grid": 1, "frame": "whole"},
                "size_px": 64,
            },
            "temporal": {"model": "i3d", "pretrained": "random", "frames": 16, "size_px": 64},
            "instruct": {"tasks": ["score"]},
            "tune": {
                **{"train_on": ["demo"], "llm": "llm", "seconds": 1, "epochs": 1, "batch_size": 1},
                **{"learning_rate": 1, "weight_decay": 0, "warmup_ratio": 0, "level_std": 0},
            },
            "evaluate": {"bootstrap": 100},
        }
    )


def write_predictions(dataset: str, split: str) -> None:
    rng = np.random.default_rng(0)
    mos = rng.uniform(0, 100, 30)
    table = pd.DataFrame(
        {
            **{"video_id": [f"v{i}" for i in range(30)], "split": split},
            **{"content": [f"c{i // 3}" for i in range(30)], "impairment": ["blur", "none"] * 15},
            **{"motion": "", "mos": mos, "mos_source": "vmaf", "score": mos + rng.normal(0, 9, 30)},
            **{"score_std": 9.0, "level": "fair", "score_generated": np.nan},
            **{"impairment_answer": "blur", "motion_answer": "", "ridge": mos, "svr": mos},
        }
    )
    layout.predictions(dataset).parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(layout.predictions(dataset), index=False)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    layout.MODEL.mkdir(parents=True)
    (layout.MODEL / "config.json").write_text('{"random_encoders": ["temporal"], "more": 1}')
    write_predictions("demo", "test")
    write_predictions("wild", "train")
    return tmp_path


def test_metrics_are_written(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    evaluate.run(params())
    text = layout.METRICS.read_text()
    found = json.loads(text)
    assert list(found["datasets"]) == ["demo"]  # wild has nothing in test or val
    assert "wild: no labelled video" in caplog.text
    assert found["random_encoders"] == ["temporal"]
    test = found["datasets"]["demo"]["test"]
    assert test["lmm_vqa"]["contents"] == 10 and 0.9 < test["lmm_vqa"]["srcc"] < 1
    assert test["lmm_vqa"]["srcc"] == round(test["lmm_vqa"]["srcc"], 6)
    assert "lmm_vqa_generated" not in test  # a head that was taught no numbers
    assert test["impairment"]["confusion"] == {"blur": {"blur": 15}, "none": {"blur": 15}}
    assert "NaN" not in text

    evaluate.run(params())
    assert layout.METRICS.read_text() == text


def test_timelines_are_judged_where_parts_of_videos_have_labels(project: Path) -> None:
    chunks = pd.DataFrame(
        [(f"v{i}", s, s + 2.0, (7 * i + s) % 90, 1.0, 5.0) for i in range(30) for s in (0, 1, 2)],
        columns=["video_id", "start_s", "end_s", "mos", "mos_raw", "mos_std"],
    )
    manifest.write(layout.chunk_labels("demo"), chunks)
    with pytest.raises(ResultsError, match=r"timelines/demo.csv: missing; run `lmm-vqa predict"):
        evaluate.run(params())
    seconds = pd.DataFrame({"video_id": np.repeat(chunks["video_id"].unique(), 4)})
    seconds["start_s"] = np.tile(np.arange(4.0), 30)
    # each part's mean of two seconds is its label, but where the label wraps from 90 to 0
    seconds["score"] = (7 * seconds["video_id"].str[1:].astype(int) + seconds["start_s"]) % 90 - 0.5
    layout.timelines("demo").parent.mkdir()
    seconds.assign(score_std=1.0, level="fair").to_csv(layout.timelines("demo"), index=False)
    evaluate.run(params())
    found = json.loads(layout.METRICS.read_text())["datasets"]["demo"]["timeline"]
    assert (found["parts"]["n"], found["parts"]["contents"], found["overlap_min"]) == (90, 30, 1)
    assert found["parts"]["srcc"] > 0.9 and found["parts"]["outlier_n"] == 90
    assert found["within"]["videos"] == 30

    layout.chunk_labels("demo").write_text("video_id,mos\nv0,high\n")
    with pytest.raises(ResultsError, match=r"chunk_labels/demo.csv: .*labels of parts"):
        evaluate.run(params())


def test_missing_inputs_are_named(project: Path) -> None:
    (layout.MODEL / "config.json").unlink()
    with pytest.raises(ResultsError, match=r"config.json: missing; run `lmm-vqa tune`"):
        evaluate.run(params())
    write_predictions("demo", "train")
    with pytest.raises(ResultsError, match="no data set"):
        evaluate.run(params())
    layout.predictions("demo").unlink()
    with pytest.raises(ResultsError, match="run `lmm-vqa predict demo`"):
        evaluate.run(params())
    assert not layout.METRICS.exists()
