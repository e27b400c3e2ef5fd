"""Predictions mapped to the label's scale by the curves that the field fits before PLCC and RMSE.

A fit that fails is reported with the reason and gives no number; raw correlations stand beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares
from scipy.special import expit

from llm_head.bootstrap import Floats

MIN_ROWS = {4: 5, 5: 6}  # one more than the curve has parameters
MAX_FALL = 0.1  # of the curve's range


@dataclass(frozen=True)
class LogisticFit:
    """Predictions mapped to the label's scale, or the reason why they could not be.

    Attributes:
        mapped: float64 ``(n,)``, None if the fit failed.
        reason: empty if it did not.
    """

    mapped: Floats | None
    reason: str = ""


def fit_logistic(predicted: ArrayLike, label: ArrayLike, parameters: int = 4) -> LogisticFit:
    """Fit a logistic curve of 4 or 5 parameters by least squares and map the predictions.

    4: ``b2 + (b1 - b2) / (1 + exp(-(x - b3) / |b4|))``, from b1 = largest label, b2 = smallest
    label, b3 = mean of the predictions, b4 = half of their standard deviation.

    5: ``b1 (1/2 - 1 / (1 + exp(b2 (x - b3)))) + b4 x + b5``, from b1 = range of the labels, b2 = 1
    / standard deviation and b3 = mean of the predictions, b4 = 0, b5 = mean label.

    A curve that falls as predictions rise is a failed fit: it would turn a prediction that ranks
    videos upside down into a high correlation. Falling by up to a tenth of its range, as noise
    makes the ends of the five-parameter curve do, is let be.

    Args:
        predicted: finite ``(n,)``, any scale; n is at least ``MIN_ROWS[parameters]``.
        label: finite ``(n,)``.

    Source: the four-parameter curve of VQEG, the five-parameter one of Sheikh, Sabir and Bovik
    (IEEE TIP 15, 2006). Differs: predictions are standardised before the fit, so that it does not
    depend on their scale (the usual start of b4 = 0.5 assumes a scale of about 1), and curves that
    fall are refused.
    """
    x, y = np.asarray(predicted, float), np.asarray(label, float)
    if len(x) < MIN_ROWS[parameters]:
        return LogisticFit(None, f"{len(x)} rows; the fit needs {MIN_ROWS[parameters]}")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return LogisticFit(None, "predictions or labels are constant")
    z = (x - x.mean()) / x.std()
    curve = {4: _four, 5: _five}[parameters]
    start = {4: [y.max(), y.min(), 0.0, 0.5], 5: [np.ptp(y), 1.0, 0.0, 0.0, y.mean()]}[parameters]
    found = _least_squares(curve, z, y, start)
    if found is None:
        return LogisticFit(None, "the fit did not converge")
    mapped = curve(z, found)
    if np.ptp(mapped) <= 1e-6 * np.ptp(y):
        return LogisticFit(None, "the fitted curve is flat")
    steps = np.diff(curve(np.linspace(z.min(), z.max(), 1001), found))
    if -steps[steps < 0].sum() > MAX_FALL * np.ptp(mapped):
        return LogisticFit(None, "the fitted curve falls as predictions rise")
    return LogisticFit(mapped)


def _least_squares(
    curve: Callable[[Floats, Floats], Floats], z: Floats, y: Floats, start: list[float]
) -> Floats | None:
    def errors(b: Floats) -> Floats:
        return curve(z, b) - y

    found = least_squares(errors, start, method="lm", max_nfev=10_000)
    parameters = np.asarray(found.x)
    return parameters if found.success and np.isfinite(curve(z, parameters)).all() else None


def _four(z: Floats, b: Floats) -> Floats:
    at: Floats = b[1] + (b[0] - b[1]) * expit((z - b[2]) / max(abs(b[3]), 1e-9))
    return at


def _five(z: Floats, b: Floats) -> Floats:
    at: Floats = b[0] * (0.5 - expit(-b[1] * (z - b[2]))) + b[3] * z + b[4]
    return at
