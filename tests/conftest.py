"""Fixtures that every part uses. No test needs a network."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.clips import numbered_frame, write_video


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
    """Return a maker of small textured videos that move: name, seed, seconds; 64 x 48, 12 fps."""

    def make(name: str, seed: int = 0, seconds: float = 2.0) -> Path:
        texture = np.random.default_rng(seed).integers(0, 255, (48, 256, 3), np.uint8)
        count = round(12 * seconds)
        frames = [np.ascontiguousarray(texture[:, n : n + 64]) for n in range(count)]
        return write_video(tmp_path / name, frames, [Fraction(n, 12) for n in range(count)])

    return make
