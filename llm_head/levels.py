"""The five quality levels: MOS to level, to soft labels, and back to a score."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

LEVELS = ("bad", "poor", "fair", "good", "excellent")
CENTRES = np.array([10.0, 30.0, 50.0, 70.0, 90.0])
_EDGES = np.array([0.0, 20.0, 40.0, 60.0, 80.0, 100.0])


def level_of(mos: float) -> str:
    """Return the level of a MOS; a MOS on a cut (20, 40, 60, 80) has the level above it.

    Raises:
        ValueError: if mos is not a number in 0..100.

    Source: the five-grade ACR scale of ITU-T P.910, cut evenly over 0-100. Differs from LMM-VQA
    (arXiv:2408.14008), whose three levels are cut at percentiles of each data set's MOS, so that a
    word there is a rank within one data set.

    >>> level_of(76.8)
    'good'
    """
    _check(mos)
    return LEVELS[int(np.searchsorted(_EDGES[1:-1], mos, side="right"))]


def soft_label(mos: float, std: float) -> NDArray[np.float64]:
    """Return how a MOS spreads over the five levels.

    Args:
        mos: 0..100.
        std: standard deviation of the opinions around the MOS, on 0-100; 0: all mass on one level.

    Returns:
        float64 (5,), the mass of a normal distribution, cut off at 0 and 100, in each level;
        sums to 1.

    Raises:
        ValueError: if mos is not in 0..100 or std is negative.

    Source: soft labels for level words, DeQA-Score, arXiv:2501.11561. Differs: cut off at the
    scale's ends, and one std for every video, since most data sets publish none per video.
    """
    _check(mos)
    if not std >= 0:
        raise ValueError(f"std must be zero or positive, got {std}")
    if std == 0:
        return np.array([float(level == level_of(mos)) for level in LEVELS])
    cdf = ndtr((_EDGES - mos) / std)
    mass: NDArray[np.float64] = np.diff(cdf) / (cdf[-1] - cdf[0])
    return mass


def expectation(probabilities: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
    """Return mean and standard deviation, on 0-100, of five level probabilities.

    Args:
        probabilities: (5,), from bad to excellent, sum 1.

    Source: Q-Align, arXiv:2312.17090, section 3.3, with our centres 10, 30, 50, 70, 90.

    >>> expectation([0.0, 0.0, 0.5, 0.5, 0.0])
    (60.0, 10.0)
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if p.shape != CENTRES.shape or abs(p.sum() - 1) > 1e-3:
        raise ValueError(f"wanted five probabilities that sum to 1, got {p.tolist()}")
    mean = float(p @ CENTRES)
    return mean, float(np.sqrt(p @ (CENTRES - mean) ** 2))


def mos_of(mean: float, std: float) -> float:
    """Return the MOS whose soft label has this expectation: the way back from `soft_label`.

    An expectation never leaves 10..90, and soft labels are cut off at the scale's ends; without
    this step, a flawless video would score 88. Order is kept.

    Args:
        mean: 10..90, from `expectation`.
        std: of the soft labels that were learned; 0: the expectation is returned as it is.

    >>> round(mos_of(expectation(soft_label(97.0, 12.0))[0], 12.0), 3)
    97.0
    """
    if std == 0:
        return mean
    means, grid = _way_back(std)
    return float(np.interp(mean, means, grid))


@lru_cache
def _way_back(std: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    grid = np.linspace(0, 100, 2001)
    return np.array([expectation(soft_label(mos, std))[0] for mos in grid]), grid


PERCENTILE_LEVELS = ("poor", "fair", "good")


def percentile_cuts(mos: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
    """Return the cuts of the authors' three levels: the 33rd and 66th percentile of these MOS.

    They are taken from the training videos of a data set and used as they are on its test videos.

    Args:
        mos: of the training videos of one data set, at least one, all finite.

    Raises:
        ValueError: if there is none, or one is not finite.

    Source: the code that the authors of LMM-VQA (arXiv:2408.14008) published.

    >>> percentile_cuts([0.0, 50.0, 100.0])
    (33.0, 66.0)
    """
    known = np.asarray(mos, np.float64)
    if not known.size or not np.isfinite(known).all():
        raise ValueError(f"wanted finite MOS, at least one; got {known.size}")
    low, high = np.percentile(known, [33, 66])
    return float(low), float(high)


def percentile_level_of(mos: float, cuts: tuple[float, float]) -> str:
    """Return one of poor, fair, good; a MOS on a cut has the level above it.

    Such a level is a rank within its data set: where most videos are good, a fairly good one is
    poor. `level_of` is the default for that reason.

    Raises:
        ValueError: if mos is not in 0..100, or the cuts fall.

    >>> percentile_level_of(60.0, (55.5, 65.0))
    'fair'
    """
    _check(mos)
    if not cuts[0] <= cuts[1]:
        raise ValueError(f"cuts must not fall, got {cuts}")
    return PERCENTILE_LEVELS[int(np.searchsorted(cuts, mos, side="right"))]


def _check(mos: float) -> None:
    if not 0 <= mos <= 100:
        raise ValueError(f"a MOS must lie in 0..100, got {mos}")
