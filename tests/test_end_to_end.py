"""Every stage on generated clips with a tiny LLM, by one `dvc repro`: from videos to the report."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.clips import write_moving_video
from tests.test_dvc import project, repro  # noqa: F401  (project is a fixture)
from tests.tiny_llm import save_tiny_llm

pytestmark = pytest.mark.slow


def test_from_videos_to_report(project: Path) -> None:  # noqa: F811
    rows = []
    for number in range(12):
        write_moving_video(project / "videos" / f"v{number:02}.mp4", seed=number, seconds=1)
        split = ("train", "train", "val", "test")[number % 4]
        rows.append(f"v{number:02}.mp4,{1 + number / 3},{split},blur,smooth")
    write_moving_video(project / "unlabelled" / "x.mp4", seed=99, seconds=1)
    header = "filename,mos,split,impairment,motion\n"
    (project / "videos/labels.csv").write_text(header + "\n".join(rows) + "\n")
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["datasets"] = {
        "mine": {"root": "videos", "labels": "labels.csv", "mos_min": 1, "mos_max": 5},
        "unlabelled": {"root": "unlabelled"},
    }
    params["tune"].update(llm=str(save_tiny_llm(project / "llm")), epochs=1, batch_size=3)
    params["evaluate"] = {"bootstrap": 100}
    (project / "params.yaml").write_text(yaml.safe_dump(params))

    repro(project, "report")

    predictions = pd.read_csv(project / "results/predictions/mine.csv").set_index("video_id")
    assert len(predictions) == 12
    assert predictions["score"].between(0, 100).all()
    assert predictions["score_generated"].between(0, 100).all()
    scored = pd.read_csv(project / "results/predictions/unlabelled.csv")
    assert scored["score"].notna().all() and scored["mos"].isna().all()
    metrics = json.loads((project / "results/metrics.json").read_text())
    assert metrics["datasets"]["mine"]["test"]["lmm_vqa"]["n"] == 3
    assert metrics["random_encoders"] == ["spatial", "temporal"]
    page = (project / "results/report.html").read_text()
    assert "random weights" in page.lower()
    assert "up to date" in repro(project, "report")

    first = (project / "results/predictions/mine.csv").read_bytes()
    for name in ("model", "predictions"):
        repro(project, "--force", "--single-item", "tune" if name == "model" else "predict@mine")
    assert (project / "results/predictions/mine.csv").read_bytes() == first
