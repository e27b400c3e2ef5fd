"""How well scores agree with labels, and answers with the truth, with bootstrap intervals.

A row without a label says nothing and is dropped. A row whose prediction is missing or not finite
is left out of the correlations and counted in `missing`, never filled with a number; a missing
answer counts as wrong. A value that is not defined is NaN, and `reason` says why.

Clips of one content (shot, scene) are not independent, so intervals resample contents, not clips.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.optimize import least_squares
from scipy.special import expit

from llm_head.bootstrap import (
    MIN_CONTENTS,
    Floats,
    content_codes,
    counted_ranks,
    interval,
    kendall,
    pearson,
    resample_counts,
)

MIN_ROWS = 5  # one more than the logistic has parameters


def srcc(predicted: ArrayLike, label: ArrayLike) -> float:
    """Return Spearman's rank correlation; ties share their mean rank, a constant gives NaN.

    >>> round(srcc([1, 2, 3, 4], [10, 30, 20, 40]), 3)
    0.8
    """
    x, y = np.asarray(predicted, float), np.asarray(label, float)
    return plcc(stats.rankdata(x), stats.rankdata(y))


def krcc(predicted: ArrayLike, label: ArrayLike) -> float:
    """Return Kendall's rank correlation tau-b; a constant gives NaN."""
    x, y = np.asarray(predicted, float), np.asarray(label, float)
    return float(stats.kendalltau(x, y).statistic)


def plcc(predicted: ArrayLike, label: ArrayLike) -> float:
    """Return Pearson's linear correlation; a constant gives NaN."""
    x, y = np.asarray(predicted, float), np.asarray(label, float)
    return float(pearson(np.ones((1, len(x))), x[None], y[None])[0])


def rmse(predicted: ArrayLike, label: ArrayLike) -> float:
    """Return the root mean square error, in the label's unit; NaN for no rows."""
    errors = np.asarray(predicted, float) - np.asarray(label, float)
    return float(np.sqrt(np.mean(errors**2))) if errors.size else math.nan


@dataclass(frozen=True)
class LogisticFit:
    """Predictions mapped to the label's scale, or the reason why they could not be.

    Attributes:
        mapped: float64 ``(n,)``, None if the fit failed.
        reason: empty if it did not.
    """

    mapped: Floats | None
    reason: str = ""


def fit_logistic(predicted: ArrayLike, label: ArrayLike) -> LogisticFit:
    """Fit ``b2 + (b1 - b2) / (1 + exp(-(x - b3) / |b4|))`` by least squares.

    Starts at b1 = largest label, b2 = smallest label, b3 = mean of the predictions, b4 = half of
    their standard deviation. A fit that falls is a failed one: it would turn a prediction that
    ranks videos upside down into a high correlation.

    Args:
        predicted: finite ``(n,)``, any scale; n is at least 5.
        label: finite ``(n,)``.

    Source: the four-parameter logistic of VQEG. Differs: predictions are standardised before the
    fit, so that it does not depend on their scale (the usual start of b4 = 0.5 assumes a scale of
    about 1), and b1 < b2 is refused.
    """
    x, y = np.asarray(predicted, float), np.asarray(label, float)
    if len(x) < MIN_ROWS:
        return LogisticFit(None, f"{len(x)} rows; the fit needs {MIN_ROWS}")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return LogisticFit(None, "predictions or labels are constant")
    z = (x - x.mean()) / x.std()

    def curve(b: Floats) -> Floats:
        at: Floats = b[1] + (b[0] - b[1]) * expit((z - b[2]) / max(abs(b[3]), 1e-9))
        return at

    def errors(b: Floats) -> Floats:
        off: Floats = curve(b) - y
        return off

    found = least_squares(errors, [y.max(), y.min(), 0.0, 0.5], method="lm", max_nfev=10_000)
    mapped = curve(np.asarray(found.x))
    if not found.success or not np.isfinite(mapped).all():
        return LogisticFit(None, "the fit did not converge")
    if np.ptp(mapped) <= 1e-6 * np.ptp(y):
        return LogisticFit(None, "the fitted curve is flat")
    if found.x[0] < found.x[1]:
        return LogisticFit(None, "the fitted curve falls as predictions rise")
    return LogisticFit(mapped)


def score_metrics(
    predicted: ArrayLike,
    label: ArrayLike,
    contents: Sequence[str] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, float | int | str]:
    """Return every number that says how well scores follow labels.

    Args:
        predicted: ``(n,)``, NaN where there is no score.
        label: ``(n,)``, NaN where there is no label.
        contents: of each row; "" or None: of its own. Rows of one content are resampled together.
        resamples: of the bootstrap; 0 leaves the intervals out.
        seed: of the bootstrap.

    Returns:
        ``n`` (rows used), ``missing`` (labelled rows without a score), ``contents``; ``srcc``,
        ``krcc``, ``plcc``, ``rmse`` raw, each with the ends of its 95 % interval ``<name>_low`` and
        ``<name>_high``; ``plcc_logistic`` and ``rmse_logistic`` after `fit_logistic`; ``reason``
        only where something is not defined.
    """
    x, y = np.asarray(predicted, float), np.asarray(label, float)
    labelled = np.isfinite(y)
    used = labelled & np.isfinite(x)
    codes = content_codes(contents, len(y))[used]
    x, y = x[used], y[used]
    n = len(x)
    result: dict[str, float | int | str] = {
        "n": n,
        "missing": int(labelled.sum()) - n,
        "contents": len(np.unique(codes)),
    }
    enough = n >= MIN_ROWS and np.ptp(x) > 0 and np.ptp(y) > 0
    result |= _values(x, y, enough)
    fit = fit_logistic(x, y)
    result["plcc_logistic"] = math.nan if fit.mapped is None else plcc(fit.mapped, y)
    result["rmse_logistic"] = math.nan if fit.mapped is None else rmse(fit.mapped, y)
    reasons = []
    if fit.reason:
        reasons.append(f"no logistic fit: {fit.reason}" if enough else fit.reason)
    if resamples:
        counts = resample_counts(codes, resamples, seed)
        if counts is None:
            reasons.append(f"no intervals: fewer than {MIN_CONTENTS} contents")
        for name, values in _resampled(counts, x, y, enough).items():
            result[f"{name}_low"], result[f"{name}_high"] = interval(values)
    if reasons:
        result["reason"] = "; ".join(reasons)
    return result


def answer_metrics(
    answered: Sequence[str],
    truth: Sequence[str],
    contents: Sequence[str] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, float | int]:
    """Return how often an answer is the true one.

    Args:
        answered: ``(n,)``, "" where there is no answer; that is wrong.
        truth: ``(n,)``, "" where the truth is not known; the row is dropped.
        contents: of each row, see `score_metrics`.
        resamples: of the bootstrap; 0 leaves the intervals out.
        seed: of the bootstrap.

    Returns:
        ``n``, ``missing`` (no answer), ``classes`` (in the truth), ``majority`` (the accuracy of
        always giving the commonest answer), ``accuracy`` and ``balanced_accuracy`` (the mean of the
        classes' recalls; 1 / classes is chance), both with ``_low`` and ``_high``.
    """
    known = np.array([bool(word) for word in truth], bool)
    codes = content_codes(contents, len(known))[known]
    given, true = np.array(answered, str)[known], np.array(truth, str)[known]
    right = (given == true).astype(float)
    classes, members = np.unique(true, return_counts=True)
    of_class = (true[:, None] == classes).astype(float)
    n = len(true)
    result: dict[str, float | int] = {
        "n": n,
        "missing": int((given == "").sum()),
        "classes": len(classes),
        "majority": float(members.max() / n) if n else math.nan,
    }
    every_row = np.ones((1, n))
    counts = resample_counts(codes, resamples, seed) if resamples else None
    for name, metric in (("accuracy", _accuracy), ("balanced_accuracy", _balanced)):
        result[name] = float(metric(every_row, right, of_class)[0]) if n else math.nan
        if resamples:
            values = np.array([]) if counts is None else metric(counts, right, of_class)
            result[f"{name}_low"], result[f"{name}_high"] = interval(values)
    return result


def confusion(answered: Sequence[str], truth: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return how often each true answer was given each answer; "" in `truth` drops the row."""
    table: dict[str, dict[str, int]] = {}
    for given, true in zip(answered, truth, strict=True):
        if true:
            row = table.setdefault(true, {})
            row[given or "no answer"] = row.get(given or "no answer", 0) + 1
    return table


def _values(x: Floats, y: Floats, enough: bool) -> dict[str, float]:
    metrics = {"srcc": srcc, "krcc": krcc, "plcc": plcc}
    values = {name: metric(x, y) if enough else math.nan for name, metric in metrics.items()}
    return {**values, "rmse": rmse(x, y)}


def _resampled(counts: Floats | None, x: Floats, y: Floats, enough: bool) -> dict[str, Floats]:
    """Return each metric on each resample, ``(resamples,)``; empty where it is not defined."""
    none = np.array([])
    if counts is None:
        return {"srcc": none, "krcc": none, "plcc": none, "rmse": none}
    squared = np.sqrt(counts @ (x - y) ** 2 / counts.sum(axis=1))
    if not enough:
        return {"srcc": none, "krcc": none, "plcc": none, "rmse": squared}
    return {
        "srcc": pearson(counts, counted_ranks(counts, x), counted_ranks(counts, y)),
        "krcc": kendall(counts, x, y),
        "plcc": pearson(counts, x[None], y[None]),
        "rmse": squared,
    }


def _accuracy(counts: Floats, right: Floats, of_class: Floats) -> Floats:
    shares: Floats = counts @ right / counts.sum(axis=1)
    return shares


def _balanced(counts: Floats, right: Floats, of_class: Floats) -> Floats:
    """Return the mean recall of the classes that are in the resample."""
    members = counts @ of_class
    hits = counts @ (right[:, None] * of_class)
    recalls = np.divide(hits, members, out=np.zeros_like(hits), where=members > 0)
    shares: Floats = recalls.sum(axis=1) / (members > 0).sum(axis=1)
    return shares
