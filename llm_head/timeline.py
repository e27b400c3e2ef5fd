"""Where in time the quality is what it is: a score for each second of a video."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_head.data import choose
from llm_head.levels import level_of
from llm_head.projector import TokenShape
from llm_head.readout import ReadOut
from pipeline.cache import Kind

WINDOW_S = 1
STRIDE_S = 1
STANDS_OUT = 5.0  # points below the rest of the video; a quarter of a level
_BATCH = 16  # windows a pass; fixed, so that a video's timeline always rounds alike

VideoArrays = Mapping[Kind, NDArray[np.floating[Any]]]


class TimelineError(ValueError):
    """Window or stride does not fit the head."""


@dataclass(frozen=True)
class Second:
    """The quality around one second.

    Attributes:
        start_s: where it begins, from the first frame.
        score: 0-100, mean over the windows that hold the second.
        score_std: of their level probabilities taken together, on 0-100.
        level: in which the score lies.
    """

    start_s: float
    score: float
    score_std: float
    level: str


def timeline(
    readout: ReadOut,
    tokens: VideoArrays,
    shape: TokenShape,
    start_s: Sequence[float],
    window_s: int = WINDOW_S,
    stride_s: int = STRIDE_S,
    cue: str = "",
) -> tuple[Second, ...]:
    """Score every second of a video by a window that slides over its tokens.

    Args:
        tokens: by kind, of all K seconds.
        shape: that the head reads.
        start_s: (K,), start of each second.
        window_s: seconds a window holds; a longer one is steadier and less sharp. It is the whole
            video where that is shorter.
        stride_s: seconds from a window to the next, at most `window_s`; the last window ends with
            the video.
        cue: of the video, said with every window.

    Raises:
        TimelineError: if the window is longer than what the head reads, or skips seconds.
        DataError: if the tokens do not fit the head.
    """
    if not 1 <= stride_s <= window_s <= shape.seconds:
        raise TimelineError(
            f"wanted 1 <= stride <= window <= {shape.seconds} s, the most the head reads; "
            f"found stride {stride_s}, window {window_s}"
        )
    count = len(start_s)
    size = min(window_s, count)
    begins = sorted({*range(0, count - size + 1, stride_s), count - size})
    windows = [
        choose({k: part[at : at + size] for k, part in tokens.items()}, shape, f"second {at}", cue)
        for at in begins
    ]
    found: list[tuple[float, float]] = []
    for at in range(0, len(windows), _BATCH):
        found += readout.levels(windows[at : at + _BATCH])
    seconds = []
    for index, start in enumerate(start_s):
        over = [f for at, f in zip(begins, found, strict=True) if at <= index < at + size]
        score, std = _mixture(over)
        seconds.append(Second(float(start), score, std, level_of(score)))
    return tuple(seconds)


def _mixture(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return mean and standard deviation of distributions that count the same.

    >>> _mixture([(60.0, 0.0), (40.0, 0.0)])
    (50.0, 10.0)
    """
    means, stds = np.array(parts).T
    mean = float(means.mean())
    return mean, float(np.sqrt((np.mean(stds**2 + means**2) - mean**2).clip(min=0)))


def worst(seconds: Sequence[Second]) -> range | None:
    """Return the stretch in which the quality is lowest; None if nothing stands out.

    It is the run of seconds that divides the video best into itself and the rest: its mean is more
    than `STANDS_OUT` points below the rest's, and of all such the variance that lies between the
    two is greatest, the first `STANDS_OUT` points left out of account. So a short deep fall counts
    before a long shallow one, and a drop that lasts is found whole.

    Source: two change points by least squares, as circular binary segmentation has them (Olshen et
    al., Biostatistics, 2004). Differs: only what is lower counts, and the threshold.

    >>> scores = [70, 72, 30, 35, 71]
    >>> worst([Second(float(i), s, 5.0, level_of(s)) for i, s in enumerate(scores)])
    range(2, 4)
    >>> scores = [70, 72, 30, 31, 29, 30]
    >>> worst([Second(float(i), s, 5.0, level_of(s)) for i, s in enumerate(scores)])
    range(2, 6)
    """
    sums = np.cumsum([0.0, *(second.score for second in seconds)])
    count, greatest, found = len(seconds), 0.0, None
    for begin in range(count):
        ends = np.arange(begin + 1, min(count, begin + count - 1) + 1)
        sizes, inside = ends - begin, sums[ends] - sums[begin]
        if not len(ends):  # a video of one second has no rest
            break
        lower = (sums[-1] - inside) / (count - sizes) - inside / sizes
        between = sizes * (count - sizes) * np.maximum(lower - STANDS_OUT, 0) ** 2
        best = int(between.argmax())
        if between[best] > greatest:
            greatest, found = float(between[best]), range(begin, int(ends[best]))
    return found
