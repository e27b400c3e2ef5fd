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
STANDS_OUT = 5.0  # points below what is usual in the video; a quarter of a level
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

    The lowest second stands out if it is `STANDS_OUT` points below the middle; the stretch goes on
    to both sides as long as seconds are nearer to it than to the middle. The middle is the median
    second. Where nothing stands out from it, since the low seconds are so many that it is one of
    them, it is the mean of those before the `drop`, and the lowest is sought behind it, if the
    means of both parts are as far apart.

    >>> scores = [70, 72, 30, 35, 71]
    >>> worst([Second(float(i), s, 5.0, level_of(s)) for i, s in enumerate(scores)])
    range(2, 4)
    >>> scores = [70, 72, 30, 31, 29, 30]
    >>> worst([Second(float(i), s, 5.0, level_of(s)) for i, s in enumerate(scores)])
    range(2, 6)
    """
    scores = np.array([second.score for second in seconds])
    middle, lowest = float(np.median(scores)), int(scores.argmin())
    if middle - scores[lowest] < STANDS_OUT:
        at = drop(seconds)
        if at is None or scores[:at].mean() - scores[at:].mean() < STANDS_OUT:
            return None
        middle, lowest = float(scores[:at].mean()), at + int(scores[at:].argmin())
    low = scores < (middle + scores[lowest]) / 2
    begin, end = lowest, lowest + 1
    while begin > 0 and low[begin - 1]:
        begin -= 1
    while end < len(low) and low[end]:
        end += 1
    return range(begin, end)


def drop(seconds: Sequence[Second]) -> int | None:
    """Return the second from which the quality is lower for good; None if it never falls.

    It is the split that leaves the least variance within its two parts, of those after which the
    mean is lower.

    Source: a single change in the mean by least squares (Page, Biometrika, 1957).

    >>> scores = [70, 72, 68, 30, 35]
    >>> drop([Second(float(i), s, 5.0, level_of(s)) for i, s in enumerate(scores)])
    3
    """
    scores = np.array([second.score for second in seconds])
    best, at = 0.0, None
    for split in range(1, len(scores)):
        fall = scores[:split].mean() - scores[split:].mean()
        between = split * (len(scores) - split) * fall**2
        if fall > 0 and between > best:
            best, at = between, split
    return at
