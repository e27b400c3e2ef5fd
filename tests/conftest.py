"""Fixtures that every part uses. No test needs a network."""

from collections.abc import Callable, Generator
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from tests.clips import numbered_frame, write_moving_video, write_video

torch.set_num_threads(1)  # small arrays: a second thread costs more than it gives


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let what was logged travel between processes: names of strangers' files may be no text."""
    report = yield
    report.sections = [
        (title, text.encode("utf-8", "backslashreplace").decode())
        for title, text in report.sections
    ]
    return report


@pytest.fixture
def numbered_video(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of videos with burnt-in frame numbers: name, frames per second, seconds."""

    def make(name: str, fps: Fraction | int, seconds: float) -> Path:
        count = round(Fraction(fps) * Fraction(seconds))
        times = [Fraction(n) / Fraction(fps) for n in range(count)]
        return write_video(tmp_path / name, [numbered_frame(n) for n in range(count)], times)

    return make


@pytest.fixture
def moving_video(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of small videos that move: name, seed, seconds."""

    def make(name: str, seed: int = 0, seconds: float = 2.0) -> Path:
        return write_moving_video(tmp_path / name, seed, seconds)

    return make


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tuned head of tiny random parts; see `tiny_model.make_model`."""
    from tests.tiny_model import make_model  # loads both encoders' libraries

    return make_model(tmp_path_factory.mktemp("tiny"))
