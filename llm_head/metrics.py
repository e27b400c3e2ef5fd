"""How well scores agree with labels, and answers with the truth, with bootstrap intervals.

A row without a label says nothing and is dropped. A row whose prediction is missing or not finite
is left out of the correlations and counted in `missing`, never filled with a number; a missing
answer counts as wrong. A value that is not defined is NaN, and `reason` says why.

Clips of one content (shot, scene) are not independent, so intervals resample contents, not clips.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from llm_head.bootstrap import (
    Floats,
    content_codes,
    counted_ranks,
    interval,
    kendall,
    no_interval,
    pearson,
    resample_counts,
)
from llm_head.logistic import fit_logistic

MIN_ROWS = 5  # below, a correlation says next to nothing


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


def score_metrics(
    predicted: ArrayLike,
    label: ArrayLike,
    contents: Sequence[str] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    label_std: ArrayLike | None = None,
) -> dict[str, float | int | str]:
    """Return every number that says how well scores follow labels.

    Args:
        predicted: ``(n,)``, NaN where there is no score.
        label: ``(n,)``, NaN where there is no label.
        contents: of each row; "" or None: of its own. Rows of one content are resampled together.
        resamples: of the bootstrap; 0 leaves the intervals out.
        seed: of the bootstrap.
        label_std: ``(n,)``, standard deviation of the opinions behind each label, NaN where it is
            not known.

    Returns:
        ``n`` (rows used), ``missing`` (labelled rows without a score), ``contents``; ``srcc``,
        ``krcc``, ``plcc``, ``rmse`` raw, each with the ends of its 95 % interval ``<name>_low`` and
        ``<name>_high``; ``plcc_logistic`` and ``rmse_logistic`` after the four-parameter
        `fit_logistic`, ``plcc_logistic5`` and ``rmse_logistic5`` after the five-parameter one;
        ``outlier_ratio`` and ``outlier_n`` only where deviations are known; ``reason`` only where
        something is not defined.
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
    reasons = [] if enough else [_too_little(n)]
    for parameters, suffix in ((4, ""), (5, "5")):
        fit = fit_logistic(x, y, parameters)
        mapped = np.full(n, math.nan) if fit.mapped is None else fit.mapped
        result[f"plcc_logistic{suffix}"] = plcc(mapped, y) if n else math.nan
        result[f"rmse_logistic{suffix}"] = rmse(mapped, y)
        if fit.reason and enough:
            reasons.append(f"no {parameters}-parameter logistic fit: {fit.reason}")
        if parameters == 4 and label_std is not None:
            result |= outliers(mapped, y, np.asarray(label_std, float)[used])
    if resamples:
        counts = resample_counts(codes, resamples, seed)
        for name, values in _resampled(counts, x, y, enough).items():
            result[f"{name}_low"], result[f"{name}_high"] = interval(values)
        reason = no_interval(counts, float(result["srcc_low"]))
        if reason and (enough or counts is None):
            reasons.append(reason)
    if reasons:
        result["reason"] = "; ".join(reasons)
    return result


def outliers(mapped: ArrayLike, label: ArrayLike, label_std: ArrayLike) -> dict[str, float | int]:
    """Return the share of predictions that miss the label by over twice the opinions' deviation.

    Args:
        mapped: ``(n,)``, predictions on the label's scale; NaN where the fit failed.
        label: ``(n,)``.
        label_std: ``(n,)``, NaN where it is not known; the row is dropped.

    Returns:
        ``outlier_ratio`` and ``outlier_n``, the rows it is of; nothing if no deviation is known.

    Source: the outlier ratio of VQEG as it is used with published deviations of MOS (Sheikh, Sabir
    and Bovik, IEEE TIP 15, 2006). VQEG's own takes the standard error of the mean, for which the
    number of opinions would be needed.
    """
    x, y, std = (np.asarray(values, float) for values in (mapped, label, label_std))
    known = np.isfinite(std)
    if not known.any():
        return {}
    off = np.abs(x - y)[known]
    ratio = np.mean(off > 2 * std[known]) if np.isfinite(off).all() else math.nan
    return {"outlier_ratio": float(ratio), "outlier_n": int(known.sum())}


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
    for name, metric in (("accuracy", _accuracy), ("balanced_accuracy", balanced)):
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


def _too_little(n: int) -> str:
    few = f"{n} rows; a correlation needs {MIN_ROWS}"
    return few if n < MIN_ROWS else "predictions or labels are constant"


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


def balanced(counts: Floats, right: Floats, of_class: Floats) -> Floats:
    """Return the mean recall of the classes that are in each resample, (resamples,).

    Args:
        counts: (resamples, n), how often each row is drawn.
        right: (n,), 1 where the answer is the true one, else 0.
        of_class: (n, classes), 1 where the row is of the class, else 0.
    """
    members = counts @ of_class
    hits = counts @ (right[:, None] * of_class)
    recalls = np.divide(hits, members, out=np.zeros_like(hits), where=members > 0)
    shares: Floats = recalls.sum(axis=1) / (members > 0).sum(axis=1)
    return shares
