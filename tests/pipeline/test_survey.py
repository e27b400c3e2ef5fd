"""Probing outlives what it probes."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.labels import read_labels
from pipeline.settings import DatasetSettings
from pipeline.survey import facts, survey
from pipeline.video import VideoFacts, probe

pytestmark = pytest.mark.slow


def poisoned(path: Path) -> VideoFacts:
    """Probe a file, or do what a decoder may do with a hostile one."""
    if path.stem == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if path.stem == "hang":
        time.sleep(3600)
    if path.stem == "memory":
        bytearray(8 << 30)
    return probe(path)


def test_a_crash_a_hang_and_a_bomb_cost_one_file_each(
    tmp_path: Path, moving_video: Callable[..., Path]
) -> None:
    names = ["a", "crash", "b", "hang", "c", "memory", "d", "crash", "e"]
    for name in set(names):
        moving_video(f"{name}.mp4", seconds=0.5)
    started = time.monotonic()
    found = list(facts([tmp_path / f"{n}.mp4" for n in names], limit_s=3, look=poisoned))
    assert time.monotonic() - started < 30
    for name, row in zip(names, found, strict=True):
        if name in "abcde":
            assert (row["problem"], row["width"]) == ("", 64)
    said = {name: str(row["problem"]) for name, row in zip(names, found, strict=True)}
    assert "the decoder crashed on it" in said["crash"]
    assert "could not be probed within 3 s" in said["hang"]
    assert "more than 4 GB of memory" in said["memory"]


def test_a_file_that_vanishes_is_a_row_with_a_reason(
    tmp_path: Path, moving_video: Callable[..., Path]
) -> None:
    moving_video("in/a.mp4")
    moving_video("in/b.mp4")
    labels = read_labels(DatasetSettings(root=tmp_path / "in"), seed=0)
    (tmp_path / "in/a.mp4").unlink()
    table = survey(labels).set_index("video_id")
    assert table.loc["a", "sha256"] == ""
    assert "no such file" in table.loc["a", "problem"]
    assert table.loc["b", "problem"] == ""
