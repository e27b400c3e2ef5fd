"""The protocol as DVC runs it: a leak stops the run before tuning; each fold is a stage."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.pipeline.test_hashes import reencode, scene, write
from tests.test_dvc import project, repro  # noqa: F401  (project is a fixture)

pytestmark = pytest.mark.slow


def change(project: Path, **sections: dict[str, object]) -> None:  # noqa: F811
    params = yaml.safe_load((project / "params.yaml").read_text())
    for name, values in sections.items():
        params[name] = {**params[name], **values} if name != "datasets" else values
    (project / "params.yaml").write_text(yaml.safe_dump(params))


def test_a_test_video_that_was_trained_on_elsewhere_stops_the_run(project: Path) -> None:  # noqa: F811
    for n in range(4):
        write(project / "videos" / f"film{n}.mp4", scene(n, seconds=1))
        write(project / "others" / f"other{n}.mp4", scene(100 + n, seconds=1))
    rows = "".join(f"film{n}.mp4,{20 * n},{'val' if n == 3 else 'train'}\n" for n in range(4))
    (project / "videos/labels.csv").write_text("filename,mos,split\n" + rows)
    others = "".join(f"other{n}.mp4,{20 * n}\n" for n in range(4))
    (project / "others/labels.csv").write_text("filename,mos\n" + others)
    change(
        project,
        datasets={
            "mine": {"root": "videos", "labels": "labels.csv"},
            "theirs": {"root": "others", "labels": "labels.csv"},
        },
    )
    repro(project, "leaks")
    assert (project / "results/leaks.csv").read_text() == "train,test,why\n"

    film = project / "videos/film2.mp4"
    reencode(film, project / "others/twin.avi", (96, 64), "mpeg4", 60_000)
    (project / "others/labels.csv").write_text(f"filename,mos\n{others}twin.avi,33\n")
    with pytest.raises(AssertionError, match=r"theirs/twin is mine/film2 \(1 of 1 seconds"):
        repro(project, "leaks")
    change(project, protocol={"leaks": "report"})
    assert "theirs/twin is mine/film2" in repro(project, "leaks")


def test_each_fold_is_a_stage(project: Path) -> None:  # noqa: F811
    def stages() -> set[str]:
        listed = subprocess.run(
            [str(Path(sys.executable).parent / "dvc"), "stage", "list", "--name-only"],
            cwd=project, env={**os.environ}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return {name for name in listed.stdout.split() if name.startswith("fold")}

    assert stages() == set()
    change(project, protocol={"fine_tune": ["mine"], "parts": [1, 2, 3]})
    assert stages() == {"fold@mine-1", "fold@mine-2", "fold@mine-3", "folds@mine"}
