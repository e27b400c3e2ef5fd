"""An hour of video takes no more memory than ten minutes of it."""

from pathlib import Path

import pytest

from benchmarks.film import film, peak


@pytest.mark.slow
def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    short, long = (peak(film(tmp_path, minutes, fps="1/4"), clip_frames=0) for minutes in (10, 60))
    assert (short["chunks"], long["chunks"]) == (600, 3600)
    assert long["peak_mb"] < 1500  # with the real network and its libraries
    assert long["peak_mb"] - short["peak_mb"] < 60
