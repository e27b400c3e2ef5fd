"""Two runs on the same videos: is the one better than the other, or is it chance?

Intervals of two runs that overlap say little, since both runs meet the same hard and easy videos.
These tests look at the difference on the same videos.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from llm_head.bootstrap import (
    Floats,
    content_codes,
    counted_ranks,
    interval,
    no_interval,
    pearson,
    resample_counts,
)
from llm_head.metrics import MIN_ROWS, plcc, rmse, srcc


def compare(
    first: ArrayLike,
    second: ArrayLike,
    label: ArrayLike,
    contents: Sequence[str] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the differences of two runs and how sure they are.

    Args:
        first: ``(n,)`` scores; NaN where there is none.
        second: ``(n,)`` scores of the other run for the same videos.
        label: ``(n,)``; a row in which any of the three is not finite is dropped.
        contents: of each row; "" or None: of its own. Rows of one content are resampled together.
        resamples: of the paired bootstrap, which draws the same videos for both runs.
        seed: of the bootstrap.

    Returns:
        ``n``, ``contents``; for each of srcc, plcc and rmse a dict of ``first``, ``second``,
        ``difference`` (first minus second), ``low`` and ``high`` (its 95 % interval) and ``p``
        (two-sided, of the bootstrap); ``williams`` and ``steiger`` with ``plcc_t`` or ``plcc_z``
        and ``plcc_p``, and the same for srcc, where they are an approximation; ``reason`` only
        where something is not defined.
    """
    a, b, y = (np.asarray(values, float) for values in (first, second, label))
    used = np.isfinite(a) & np.isfinite(b) & np.isfinite(y)
    codes = content_codes(contents, len(y))[used]
    a, b, y = a[used], b[used], y[used]
    n = len(y)
    result: dict[str, Any] = {"n": n, "contents": len(np.unique(codes))}
    if n < MIN_ROWS or min(map(np.ptp, (a, b, y))) == 0:
        few = f"{n} rows; a comparison needs {MIN_ROWS}"
        constant = "scores of a run, or labels, are constant"
        return {**result, "reason": few if n < MIN_ROWS else constant}
    counts = resample_counts(codes, resamples, seed)
    for name, metric in (("srcc", srcc), ("plcc", plcc), ("rmse", rmse)):
        values = (metric(a, y), metric(b, y))
        differences = np.array([]) if counts is None else _differences(name, counts, a, b, y)
        low, high = interval(differences)
        result[name] = {
            **{"first": values[0], "second": values[1], "difference": values[0] - values[1]},
            **{"low": low, "high": high, "p": _bootstrap_p(differences)},
        }
    if reason := no_interval(counts, result["srcc"]["low"]):
        result["reason"] = reason
    for name, (x1, x2, of) in {
        "plcc": (a, b, y),
        "srcc": (stats.rankdata(a), stats.rankdata(b), stats.rankdata(y)),
    }.items():
        correlations = plcc(x1, of), plcc(x2, of), plcc(x1, x2)
        for test, sign, function in (("williams", "t", williams), ("steiger", "z", steiger)):
            statistic, p = function(*correlations, n)
            result.setdefault(test, {}).update({f"{name}_{sign}": statistic, f"{name}_p": p})
    return result


def williams(first: float, second: float, between: float, n: int) -> tuple[float, float]:
    """Return Williams' t and its two-sided p for two correlations that share the labels.

    Args:
        first: correlation of the one run with the labels.
        second: of the other.
        between: of the two runs with each other.
        n: videos; 3 degrees of freedom fewer.

    Source: Williams, 1959, in the form that Steiger (Psychological Bulletin 87, 1980, equation 7)
    recommends. It assumes normal variables; on ranks it is an approximation.

    >>> t, p = williams(0.3, 0.4, 0.5, 100)
    >>> round(t, 4), round(p, 4)
    (-1.0767, 0.2843)
    """
    if n <= 3:
        return math.nan, math.nan
    determinant = 1 - first**2 - second**2 - between**2 + 2 * first * second * between
    mean = (first + second) / 2
    below = 2 * (n - 1) / (n - 3) * determinant + mean**2 * (1 - between) ** 3
    if below <= 1e-15 or between >= 1 - 1e-12:  # the runs rank alike, or fit the labels exactly
        return _no_spread(first - second)
    t = (first - second) * math.sqrt((n - 1) * (1 + between) / below)
    return t, float(2 * stats.t.sf(abs(t), n - 3))


def steiger(first: float, second: float, between: float, n: int) -> tuple[float, float]:
    """Return Steiger's Z and its two-sided p; arguments as `williams`.

    Source: Steiger, Psychological Bulletin 87, 1980, equation 14 (Fisher's z, with the covariance
    at the mean of both correlations).

    >>> z, p = steiger(0.3, 0.4, 0.5, 100)
    >>> round(z, 4), round(p, 4)
    (-1.0718, 0.2838)
    """
    if n <= 3:
        return math.nan, math.nan
    mean_squared = ((first + second) / 2) ** 2
    if mean_squared >= 1 - 1e-12 or max(abs(first), abs(second)) >= 1 - 1e-12:
        return _no_spread(first - second)
    psi = between * (1 - 2 * mean_squared)
    psi -= mean_squared * (1 - 2 * mean_squared - between**2) / 2
    shared = psi / (1 - mean_squared) ** 2
    if shared >= 1 - 1e-12:
        return _no_spread(first - second)
    z = (math.atanh(first) - math.atanh(second)) * math.sqrt((n - 3) / (2 - 2 * shared))
    return z, float(2 * stats.norm.sf(abs(z)))


def _no_spread(difference: float) -> tuple[float, float]:
    """Without spread, equal correlations are surely equal and others not testable."""
    return (0.0, 1.0) if abs(difference) < 1e-12 else (math.nan, math.nan)


def _differences(name: str, counts: Floats, a: Floats, b: Floats, y: Floats) -> Floats:
    if name == "rmse":
        total = counts.sum(axis=1)
        errors = [np.sqrt(counts @ (x - y) ** 2 / total) for x in (a, b)]
        differences: Floats = errors[0] - errors[1]
        return differences
    if name == "plcc":
        return pearson(counts, a[None], y[None]) - pearson(counts, b[None], y[None])
    ranks = counted_ranks(counts, y)
    ours, theirs = (pearson(counts, counted_ranks(counts, x), ranks) for x in (a, b))
    return ours - theirs


def _bootstrap_p(differences: Floats) -> float:
    """Return the two-sided p: twice the smaller share of resamples on one side of zero.

    One is added above and below, so that it is never zero (Davison and Hinkley, 1997, section 4.2).
    """
    defined = differences[np.isfinite(differences)]
    if not differences.size or defined.size < 0.9 * differences.size:
        return math.nan
    sides = min((defined <= 0).sum(), (defined >= 0).sum())
    return float(min(1.0, 2 * (sides + 1) / (defined.size + 1)))
