"""The bootstrap: whole contents drawn with replacement, statistics of all resamples at once.

A resample is a row of counts, how often each row of the data is drawn, so that a statistic of a
thousand resamples is a few matrix products rather than a loop.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_CONTENTS = 5  # below, resampling contents says little about new ones
_BLOCK = 512  # rows of the n x n sign matrix that exist at a time


def interval(values: Floats) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile; NaN if over a tenth of the resamples is undefined."""
    defined = values[np.isfinite(values)]
    if not values.size or defined.size < 0.9 * values.size:
        return math.nan, math.nan
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def no_interval(counts: Floats | None, low: float) -> str | None:
    """Return why there is no interval; None if there is one.

    Args:
        counts: of `resample_counts`.
        low: of `interval`.
    """
    if counts is None:
        return f"no intervals: fewer than {MIN_CONTENTS} contents"
    if math.isnan(low):
        return "no intervals: scores or labels are constant in too many of the draws"
    return None


def resample_counts(codes: NDArray[np.int64], resamples: int, seed: int) -> Floats | None:
    """Return how often each row is drawn when whole contents are drawn with replacement.

    Returns:
        ``(resamples, n)``, None if there are fewer than 5 contents.
    """
    contents, of_row = np.unique(codes, return_inverse=True)
    if len(contents) < MIN_CONTENTS:
        return None
    chances = np.full(len(contents), 1 / len(contents))
    drawn = np.random.default_rng(seed).multinomial(len(contents), chances, size=resamples)
    return drawn[:, of_row].astype(float)


def content_codes(contents: Sequence[str] | None, n: int) -> NDArray[np.int64]:
    """Number the contents of n rows; a row without one ("" or all None) is a content of its own."""
    if contents is None:
        return np.arange(n)
    numbers: dict[str, int] = {}
    return np.array(
        [numbers.setdefault(c, n + len(numbers)) if c else i for i, c in enumerate(contents)],
        np.int64,
    )


def pearson(counts: Floats, x: Floats, y: Floats) -> Floats:
    """Return Pearson's correlation in each resample, NaN where x or y is constant in it.

    Args:
        counts: ``(resamples, n)``.
        x: ``(resamples, n)``, or ``(1, n)`` where it is the same in all.
        y: as x.
    """
    total = counts.sum(axis=1, keepdims=True)
    x_off = x - (counts * x).sum(axis=1, keepdims=True) / total
    y_off = y - (counts * y).sum(axis=1, keepdims=True) / total
    xx, yy = (counts * x_off**2).sum(axis=1), (counts * y_off**2).sum(axis=1)
    # rounding leaves about 1e-16 of the values' size where a resample is constant
    x_floor = 1e-28 * (counts * x**2).sum(axis=1)
    y_floor = 1e-28 * (counts * y**2).sum(axis=1)
    product = np.where((xx > x_floor) & (yy > y_floor), xx * yy, np.nan)
    correlations: Floats = np.clip((counts * x_off * y_off).sum(axis=1) / np.sqrt(product), -1, 1)
    return correlations


def counted_ranks(counts: Floats, x: Floats) -> Floats:
    """Return the rank of each of x ``(n,)`` in each resample, ties shared, ``(resamples, n)``."""
    _, group = np.unique(x, return_inverse=True)
    size = _group_sizes(counts, group)
    ranks: Floats = (np.cumsum(size, axis=1) - size + (size + 1) / 2)[:, group]
    return ranks


def kendall(counts: Floats, x: Floats, y: Floats) -> Floats:
    """Return tau-b in each resample; a row and its own copy are a tie in both."""
    concordance = np.zeros(len(counts))
    for rows in _blocks(len(x)):
        signs = np.sign(x[rows, None] - x) * np.sign(y[rows, None] - y)
        concordance += ((counts[:, rows] @ signs) * counts).sum(axis=1)
    total = counts.sum(axis=1) ** 2
    differ_x = total - (_group_sizes(counts, np.unique(x, return_inverse=True)[1]) ** 2).sum(axis=1)
    differ_y = total - (_group_sizes(counts, np.unique(y, return_inverse=True)[1]) ** 2).sum(axis=1)
    product = differ_x * differ_y
    return concordance / np.sqrt(np.where(product > 0, product, np.nan))


def _group_sizes(counts: Floats, group: NDArray[np.intp]) -> Floats:
    """Return how many rows of each group of equal values are in each resample."""
    order = np.argsort(group, kind="stable")
    firsts = np.searchsorted(group[order], np.arange(group.max() + 1))
    sizes: Floats = np.add.reduceat(counts[:, order], firsts, axis=1)
    return sizes


def _blocks(n: int) -> Iterator[slice]:
    return (slice(at, at + _BLOCK) for at in range(0, n, _BLOCK))
