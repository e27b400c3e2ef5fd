"""How a worker's memory grows with a video's length: by its tokens, not by its frames.

The decoder hands on a second at a time, so a film's frames are never held; its tokens are, until
their file is written. Each figure is of a process of its own. The encoders of `encode_video` are
stand-ins that return tokens of the paper's shape at once: what is measured is what is held.
"""

import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.film import film, peak, peak_mb
from benchmarks.measure import RUN, SHA256, Row, made_up_video
from pipeline.encode import Job, Target, Video, encode_video, fingerprint
from pipeline.settings import SpatialSettings, TemporalSettings

SHAPES = {"spatial": (257, 1024), "temporal": (2304,)}  # a second, in the paper's setting
PAPER = (
    SpatialSettings(model="stand-in", pretrained="random", grid=0, frame="whole", size_px=32),
    TemporalSettings(model="slowfast_r50", pretrained="random", frames=4, size_px=64),
)
LINES, FPS = 64, 10  # of the video that is encoded: it is not what is held


class StandIn:
    """An encoder of no network."""

    random = True

    def __init__(self, settings: SpatialSettings | TemporalSettings, *_: object) -> None:
        self._kind = "spatial" if isinstance(settings, SpatialSettings) else "temporal"
        self.fingerprint: dict[str, Any] = {"kind": self._kind}

    def __call__(self, inputs: Sequence[NDArray[np.uint8]], /) -> NDArray[np.float16]:
        """Return tokens ``(N, 257, 1024)`` of key frames, ``(N, 2304)`` of clips."""
        return np.ones((len(inputs), *SHAPES[self._kind]), np.float16)


def memory(film_minutes: Sequence[int], held_minutes: tuple[float, float]) -> list[Row]:
    """Return how a process's peak grows with a video's length.

    Args:
        film_minutes: lengths of a film of 1080 lines whose key frames are decoded; empty: none is.
        held_minutes: a shorter and a longer video whose tokens are made and written.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        if film_minutes:
            made = [film(Path(folder), minutes, fps="1/4") for minutes in film_minutes]
            peaks = [peak(path, clip_frames=0)["peak_mb"] for path in made]
            size = f"1080 lines at 1/4 frame/s, {film_minutes[0]} to {film_minutes[-1]} minutes"
            name = "peak memory of decoding key frames, one chunk in 300 encoded, no token kept"
            grown = 60 * (peaks[-1] - peaks[0]) / (film_minutes[-1] - film_minutes[0])
            weights = "efficientnet_lite0, i3d (random)"
            rows += [
                Row(name, peaks[-1], "MB", "", size, weights),
                Row(f"{name}: growth", grown, "MB an hour of film", "", size, weights, "<= 40"),
            ]
        return rows + held(Path(folder), held_minutes)


def held(folder: Path, minutes: tuple[float, float]) -> list[Row]:
    """Return by how much `encode_video`'s peak grows with a minute of video."""
    videos = [made_up_video(folder / f"{n}.mp4", LINES, 60 * n, FPS) for n in minutes]
    # a new process each: a peak does not go down again
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        peaks = [pool.submit(encoded, path).result() for path in videos]
    slope = (peaks[1] - peaks[0]) / (minutes[1] - minutes[0])
    tokens_mb = 60 * 2 * sum(int(np.prod(shape)) for shape in SHAPES.values()) / 2**20
    size = f"{LINES} lines, {minutes[0]} to {minutes[1]} minutes, tokens of the paper's shape"
    name, weights = "peak memory of `encode_video`, both kinds: growth", "none: stand-ins"
    return [
        Row(name, slope, "MB a minute of video", "", size, weights),
        Row(
            name, slope / tokens_mb, "x", f"its tokens, {tokens_mb:.1f} MB a minute", size, weights
        ),
    ]


def encoded(path: Path) -> float:
    """Encode a video in this process; return its peak in MB."""
    with (
        patch("pipeline.encode.encoder", StandIn),
        tempfile.TemporaryDirectory() as scratch,
    ):
        targets = tuple(Target(found, Path(scratch) / found.model) for found in PAPER)
        for target in targets:
            target.folder.mkdir()
        prints = tuple(fingerprint(target.settings, StandIn(target.settings)) for target in targets)
        done = encode_video(Job(Path.cwd(), Video("v", path, SHA256), targets, prints), RUN)
    assert done.failure is None, done.failure
    return peak_mb()
