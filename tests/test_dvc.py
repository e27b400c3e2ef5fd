"""`dvc repro` as a user runs it, in a copy of the project of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.clips import write_moving_video

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of the project, as git would clone it, with random encoders."""
    return copy_project(tmp_path / "project")


def copy_project(clone: Path) -> Path:
    """Copy what git tracks or would; settings are those of small networks with random weights."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    subprocess.run(["git", "init", "--quiet"], cwd=clone, check=True)
    params = yaml.safe_load((clone / "params.yaml").read_text())
    params["datasets"] = {"mine": {"root": "videos", "labels": "labels.csv"}}
    params["weights"] = {"spatial": "none", "temporal": "none", "llm": "none"}
    params["spatial"].update(pretrained="random", size_px=32)
    params["temporal"].update(pretrained="random", layers=["2c"], frames=9, size_px=64)
    params["tune"]["train_on"] = ["mine"]
    params["run"] = {"scheduler": "none", "device": "cpu"}
    (clone / "params.yaml").write_text(yaml.safe_dump(params))
    return clone


def add_clips(project: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        write_moving_video(project / "videos" / f"{name}.mp4", seed=seed, seconds=1)
    videos = sorted((project / "videos").glob("*.mp4"))
    rows = [f"{video.name},{10 * n}\n" for n, video in enumerate(videos)]
    (project / "videos/labels.csv").write_text("filename,mos\n" + "".join(rows))


def repro(project: Path, *targets: str) -> str:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["dvc", "repro", *targets], cwd=project, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_only_what_changed_is_encoded(project: Path) -> None:
    add_clips(project, "a", "b", "c")
    targets = ("spatial@mine", "temporal@mine")
    first = repro(project, *targets)
    assert "3 videos: 0 cached, 3 to do" in first
    files = {p: p.stat().st_mtime_ns for p in (project / "data/mine").rglob("*.h5")}
    assert len(files) == 6

    second = repro(project, *targets)
    assert "Running stage" not in second
    assert "up to date" in second

    add_clips(project, "d")
    third = repro(project, *targets)
    assert third.count("4 videos: 3 cached, 1 to do (1 not encoded yet)") == 2
    assert {p: p.stat().st_mtime_ns for p in files} == files


def test_a_bad_clip_fails_the_stage_and_keeps_the_rest(project: Path) -> None:
    add_clips(project, "a", "b")
    (project / "videos/bad.mp4").write_bytes(b"junk" * 100)
    with (project / "videos/labels.csv").open("a") as table:
        table.write("bad.mp4,5\n")
    with pytest.raises(AssertionError, match="1 of 3 videos failed"):
        repro(project, "spatial@mine")
    assert len(list((project / "data/mine/spatial").glob("*.h5"))) == 2


def test_features_are_imported_by_the_same_stages(project: Path) -> None:
    add_clips(project, "a", "b")
    features = project / "videos/features.csv"
    features.write_text("clip,x,y\na.mp4,1,2\nb.mp4,3,5\n")
    params = yaml.safe_load((project / "params.yaml").read_text())
    wanted = {"file": "features.csv", "name": "mine", "version": "1", "id_column": "clip"}
    params["datasets"]["mine"]["features"] = {"temporal": wanted}
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    assert "2 videos: 0 imported already, 2 to do" in repro(project, "temporal@mine")
    assert "up to date" in repro(project, "temporal@mine")
    features.write_text("clip,x,y\na.mp4,1,2\nb.mp4,4,5\n")
    assert "2 videos: 1 imported already, 1 to do" in repro(project, "temporal@mine")


def test_dvc_is_told_that_a_packed_cache_is_the_same(project: Path) -> None:
    add_clips(project, "a", "b")
    repro(project, "spatial@mine")
    for command in (["lmm-vqa", "cache", "pack", "mine"], ["dvc", "commit", "-f", "spatial@mine"]):
        program = Path(sys.executable).parent / command[0]
        subprocess.run([program, *command[1:]], cwd=project, check=True, capture_output=True)
    folder = project / "data/mine/spatial"
    assert not list(folder.glob("*.h5")) and len(list(folder.glob("shard-*"))) == 1
    said = repro(project, "spatial@mine")
    assert "up to date" in said and "Running stage" not in said
