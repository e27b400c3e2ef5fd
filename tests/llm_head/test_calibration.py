import math

import numpy as np
import pytest

from llm_head.calibration import level_calibration, std_calibration
from llm_head.levels import LEVELS


def test_levels_worked_example() -> None:
    # two rows at confidence 0.8 (one right), two at 0.6 (both right):
    # ECE = 2/4 |0.8 - 0.5| + 2/4 |0.6 - 1| = 0.35
    p = [[0.8, 0.2, 0, 0, 0], [0.8, 0.2, 0, 0, 0], [0, 0, 0.6, 0.4, 0], [0, 0, 0, 0.4, 0.6]]
    found = level_calibration(p, ["bad", "poor", "fair", "excellent"])
    assert found["n"] == 4 and found["ece"] == pytest.approx(0.35)
    # Brier: .2^2 + .2^2, .8^2 + .8^2, .4^2 + .4^2 twice
    assert found["brier"] == pytest.approx((0.08 + 1.28 + 0.32 + 0.32) / 4)


def test_true_probabilities_are_calibrated_and_sharpened_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(5), 4000)
    truth = [LEVELS[rng.choice(5, p=row)] for row in p]
    assert level_calibration(p, truth)["ece"] < 0.03
    sharp = p**4 / (p**4).sum(axis=1, keepdims=True)
    assert level_calibration(sharp, truth)["ece"] > 0.2


def test_unknown_levels_and_missing_probabilities_are_dropped() -> None:
    sure = [1.0, 0, 0, 0, 0]
    found = level_calibration([sure, sure, [math.nan] * 5], ["bad", "", "bad"])
    assert found == {"n": 1, "ece": 0, "brier": 0}
    assert math.isnan(level_calibration([sure], [""])["ece"])
    assert level_calibration(np.empty((0, 5)), [])["n"] == 0


def test_std_worked_example() -> None:
    score, std = [50.0, 50, 50, 50, 50], [10.0, 10, 10, 10, math.nan]
    found = std_calibration(score, std, [50.0, 60, 65, 80, 50])  # off by 0, 1, 1.5 and 3 std
    assert found["n"] == 4
    assert (found["coverage_68"], found["coverage_95"]) == (0.5, 0.75)
    assert found["spread_ratio"] == pytest.approx(math.sqrt((0 + 1 + 2.25 + 9) / 4))


def test_a_normal_error_of_the_stated_size_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    std = rng.uniform(2, 20, 5000)
    found = std_calibration(np.zeros(5000), std, rng.normal(0, std))
    assert found["coverage_68"] == pytest.approx(0.683, abs=0.02)
    assert found["coverage_95"] == pytest.approx(0.95, abs=0.01)
    assert found["spread_ratio"] == pytest.approx(1, abs=0.03)


def test_nothing_to_say() -> None:
    nothing = std_calibration([1.0], [math.nan], [1.0])
    assert nothing["n"] == 0 and math.isnan(nothing["coverage_68"])
    assert math.isnan(std_calibration([1.0], [0.0], [2.0])["spread_ratio"])
