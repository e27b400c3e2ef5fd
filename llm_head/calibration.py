"""Whether the head's probabilities and deviations mean what they say."""

import math

import numpy as np
from numpy.typing import ArrayLike

from llm_head.bootstrap import Floats
from llm_head.levels import LEVELS

BINS = 10
NOMINAL = {"68": 1.0, "95": 1.96}  # share of a normal distribution, and its half width in std


def level_calibration(probabilities: ArrayLike, truth: ArrayLike) -> dict[str, float | int]:
    """Return how far the level probabilities are from the frequencies.

    Args:
        probabilities: ``(n, 5)``, from bad to excellent; a row with NaN is dropped.
        truth: ``(n,)``, true level words; "" where it is not known, and the row is dropped.

    Returns:
        ``n``; ``ece``, the expected calibration error of the likeliest level: the mean distance
        between confidence and accuracy over 10 equal bins of confidence, weighted by their rows;
        ``brier``, the mean squared distance between the probabilities and the truth (0 to 2).

    Source: Guo et al., arXiv:1706.04599, section 2 (ECE); Brier, 1950.
    """
    p = np.asarray(probabilities, float).reshape(-1, len(LEVELS))
    words = np.asarray(truth, str)
    used = np.isfinite(p).all(axis=1) & np.isin(words, LEVELS)
    p, words = p[used], words[used]
    if not len(p):
        return {"n": 0, "ece": math.nan, "brier": math.nan}
    true = (words[:, None] == np.array(LEVELS)).astype(float)
    confidence = p.max(axis=1)
    right = true[np.arange(len(p)), p.argmax(axis=1)]
    brier = float(((p - true) ** 2).sum(axis=1).mean())
    return {"n": len(p), "ece": _ece(confidence, right), "brier": brier}


def _ece(confidence: Floats, right: Floats) -> float:
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)  # (0, .1], (.1, .2] ...
    gaps = np.bincount(bins, confidence - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def std_calibration(score: ArrayLike, std: ArrayLike, label: ArrayLike) -> dict[str, float | int]:
    """Return how often the label lies within the deviation that the head states.

    Args:
        score: ``(n,)``.
        std: ``(n,)``, stated standard deviation, in the score's unit.
        label: ``(n,)``; a row with NaN in any of the three is dropped.

    Returns:
        ``n``; ``coverage_68`` and ``coverage_95``, the share of labels within 1 and 1.96 deviations
        of the score (a calibrated normal error gives 0.683 and 0.95; more means that the stated
        deviation is too wide); ``spread_ratio``, the root mean square error over the root mean
        square stated deviation (1 if calibrated, NaN if no deviation is above zero).
    """
    x, s, y = (np.asarray(values, float) for values in (score, std, label))
    used = np.isfinite(x) & np.isfinite(s) & np.isfinite(y)
    off, s = np.abs(x - y)[used], s[used]
    if not len(off):
        return {"n": 0, **{f"coverage_{n}": math.nan for n in NOMINAL}, "spread_ratio": math.nan}
    covered = {f"coverage_{name}": float((off <= w * s).mean()) for name, w in NOMINAL.items()}
    stated = math.sqrt(float((s**2).mean()))
    ratio = math.sqrt(float((off**2).mean())) / stated if stated else math.nan
    return {"n": len(off), **covered, "spread_ratio": ratio}
