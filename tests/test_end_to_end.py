"""Every stage on generated clips with a tiny LLM, by one `dvc repro`: from videos to the report.

The data sets are the paper's five benchmarks in their authors' layout, a table of one's own, and
videos without labels.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.clips import write_moving_video
from tests.test_dvc import copy_project, repro
from tests.tiny_llm import save_tiny_llm
from tests.trees import TREES

pytestmark = pytest.mark.slow

BENCHMARKS = ("lsvq", "lsvq_1080p", "konvid_1k", "youtube_ugc", "live_vqc", "live_yt_gaming")
VIDEOS = 4  # in the test split of each benchmark


def lay_out_benchmarks(root: Path) -> None:
    for name in set(BENCHMARKS) - {"lsvq_1080p"}:  # which is in LSVQ's folder
        ids = TREES[name](root / name, VIDEOS)
        if name == "youtube_ugc":  # its chunks end 20 s from the start
            (clip,) = (root / name).rglob(f"{ids[0]}*.mp4")
            write_moving_video(clip, seed=0, seconds=20)


def lay_out_own(root: Path) -> None:
    rows = []
    for number in range(12):
        write_moving_video(root / "videos" / f"v{number:02}.mp4", seed=100 + number, seconds=1)
        split = ("train", "train", "val", "test")[number % 4]
        rows.append(f"v{number:02}.mp4,{1 + number / 3},{split},blur,slight,smooth")
    write_moving_video(root / "unlabelled" / "x.mp4", seed=99, seconds=1)
    header = "filename,mos,split,impairment,severity,motion\n"
    (root / "videos/labels.csv").write_text(header + "\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project in which everything has been run."""
    root = copy_project(tmp_path_factory.mktemp("end") / "project")
    lay_out_benchmarks(root / "sets")
    lay_out_own(root)
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["datasets"] = {
        "mine": {"root": "videos", "labels": "labels.csv", "mos_min": 1, "mos_max": 5},
        "unlabelled": {"root": "unlabelled"},
    }
    for name in BENCHMARKS:
        folder = "lsvq" if name == "lsvq_1080p" else name
        params["datasets"][name] = {"root": f"sets/{folder}", "adapter": name}
    params["tune"].update(
        llm=str(save_tiny_llm(root / "llm")), train_on=["mine", "lsvq"], epochs=1, batch_size=3
    )
    params["evaluate"] = {"bootstrap": 100}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    repro(root, "report")
    return root


@pytest.fixture
def metrics(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project / "results/metrics.json").read_text())
    return found


def predictions(project: Path, dataset: str) -> pd.DataFrame:
    return pd.read_csv(project / f"results/predictions/{dataset}.csv")


def table(project: Path, *options: str) -> str:
    program = Path(sys.executable).parent / "lmm-vqa"
    return subprocess.run(
        [program, "table", *options], cwd=project, capture_output=True, text=True, check=True
    ).stdout


def test_from_videos_to_report(project: Path, metrics: dict[str, Any]) -> None:
    found = predictions(project, "mine")
    assert len(found) == 12
    assert found["score"].between(0, 100).all()
    assert found["score_generated"].between(0, 100).all()
    scored = predictions(project, "unlabelled")
    assert scored["score"].notna().all() and scored["mos"].isna().all()
    assert metrics["datasets"]["mine"]["test"]["lmm_vqa"]["n"] == 3
    assert metrics["random_encoders"] == ["spatial", "temporal"]
    page = (project / "results/report.html").read_text()
    assert "random weights" in page.lower()
    assert "Timelines against labels of parts of videos" in page


def test_every_benchmark_is_read_as_its_authors_lay_it_out_and_judged(
    project: Path, metrics: dict[str, Any]
) -> None:
    assert sorted(metrics["datasets"]) == sorted([*BENCHMARKS, "mine"])
    for name in BENCHMARKS:
        of_set = metrics["datasets"][name]
        assert of_set["zero_shot"] == (name != "lsvq")
        for predictor in ("lmm_vqa", "ridge", "svr", "mlp_spatial", "mlp_temporal"):
            numbers = of_set["test"][predictor]
            assert (numbers["n"], numbers["missing"]) == (VIDEOS, 0), (name, predictor)
        assert "4 rows" in of_set["test"]["lmm_vqa"]["reason"]  # no correlation of four videos
        found = predictions(project, name)
        assert len(found) == VIDEOS * (1 + (name == "lsvq"))
        tested = found[found["split"] == "test"]
        assert sorted(tested["mos"]) == pytest.approx([0, 33.3, 66.7, 100], abs=0.1)
        assert tested["score"].between(0, 100).all()


def test_timelines_are_judged_by_the_chunks_of_youtube_ugc(metrics: dict[str, Any]) -> None:
    timeline = metrics["datasets"]["youtube_ugc"].pop("timeline")
    assert (timeline["parts"]["n"], timeline["parts"]["missing"]) == (3, 0)
    assert timeline["overlap_min"] == 1 and timeline["within"]["videos"] == 1
    assert not any("timeline" in of_set for of_set in metrics["datasets"].values())


def test_the_tables_have_every_benchmark(project: Path) -> None:
    text = table(project)
    assert all(f"\n{name} " in text for name in BENCHMARKS)
    assert "youtube_ugc, timelines of test videos: SRCC - over 3 rated parts of 1 videos" in text
    paper = table(project, "--format", "markdown")
    head, _, *rows = (line for line in paper.splitlines() if line.startswith("|"))
    for title in ("LSVQ", "LSVQ-1080p", "KoNViD-1k", "LIVE-VQC", "YouTube-UGC", "LIVE-YT-Gaming"):
        assert f"| {title} " in head
    assert any(row.startswith("| LMM-VQA") and "0.9" in row for row in rows)  # as published
    assert "This run was trained on mine, lsvq" in paper


def test_nothing_is_done_twice_and_done_again_gives_the_same_bytes(project: Path) -> None:
    assert "up to date" in repro(project, "report")
    first = (project / "results/predictions/mine.csv").read_bytes()
    for name in ("tune", "predict@mine"):
        repro(project, "--force", "--single-item", name)
    assert (project / "results/predictions/mine.csv").read_bytes() == first
