import numpy as np
import pytest
from scipy.optimize import curve_fit

from llm_head.logistic import MIN_ROWS, fit_logistic
from llm_head.metrics import plcc, rmse

CURVES = sorted(MIN_ROWS)


@pytest.mark.parametrize("parameters", CURVES)
def test_a_logistic_is_undone_whatever_the_scale(parameters: int) -> None:
    x = np.linspace(-2, 2, 60)
    label = 10 + 80 / (1 + np.exp(-(x - 0.3) / 0.4))
    for scale, offset in ((1.0, 0.0), (1e-3, 50.0), (1e4, -7.0)):
        fit = fit_logistic(x * scale + offset, label, parameters)
        assert fit.reason == "" and fit.mapped is not None
        assert rmse(fit.mapped, label) < 1e-3


def test_the_fits_are_as_good_as_scipys() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(20, 80, 300)
    label = 5 + 90 / (1 + np.exp(-(x - 55) / 9)) + rng.normal(0, 8, 300)

    def four(x, b1, b2, b3, b4):  # type: ignore[no-untyped-def]
        return b2 + (b1 - b2) / (1 + np.exp(-(x - b3) / np.abs(b4)))

    def five(x, b1, b2, b3, b4, b5):  # type: ignore[no-untyped-def]
        return b1 * (0.5 - 1 / (1 + np.exp(b2 * (x - b3)))) + b4 * x + b5

    starts = {4: (four, [95, 5, 50, 10]), 5: (five, [90, 0.1, 50, 0, 50])}
    for parameters, (curve, start) in starts.items():
        found, _ = curve_fit(curve, x, label, p0=start, maxfev=20_000)
        ours = fit_logistic(x, label, parameters).mapped
        assert ours is not None
        assert rmse(ours, label) == pytest.approx(rmse(curve(x, *found), label), rel=1e-4)


@pytest.mark.parametrize("parameters", CURVES)
def test_a_straight_line_is_not_made_worse(parameters: int) -> None:
    x = np.arange(100.0)
    fit = fit_logistic(x, 2 * x + 3, parameters)
    assert fit.mapped is not None and plcc(fit.mapped, x) > 0.9999


@pytest.mark.parametrize("parameters", CURVES)
@pytest.mark.parametrize(
    ("predicted", "label", "reason"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], "4 rows"),
        ([1] * 6, [1, 2, 3, 4, 5, 6], "constant"),
        ([1, 2, 3, 4, 5, 6], [7] * 6, "constant"),
        ([1, 2, 3, 4, 5, 6], [9, 7, 6, 4, 2, 1], "falls"),
    ],
)
def test_failures_have_a_reason(
    predicted: list[float], label: list[float], reason: str, parameters: int
) -> None:
    fit = fit_logistic(predicted, label, parameters)
    assert fit.mapped is None and reason in fit.reason


def test_a_hill_is_refused() -> None:
    fit = fit_logistic(np.arange(9.0), [1, 5, 8, 9, 10, 9, 8, 5, 1], 5)
    assert fit.mapped is None and fit.reason


@pytest.mark.parametrize("parameters", CURVES)
def test_ties_are_mapped_alike(parameters: int) -> None:
    x = np.repeat([1.0, 2, 3, 4], 5)
    fit = fit_logistic(x, x * 20 + np.tile([-2, -1, 0, 1, 2], 4), parameters)
    assert fit.mapped is not None and len(np.unique(fit.mapped.round(9))) == 4
