import math

import numpy as np
import pytest
from scipy import stats

from llm_head.compare import compare, steiger, williams
from llm_head.metrics import plcc, score_metrics, srcc


def test_published_examples() -> None:
    # Silver, Hittner and May, Applied Psychological Measurement 30, 2006
    t, p = williams(0.3, 0.4, 0.5, 100)
    assert (round(t, 4), round(p, 4)) == (-1.0767, 0.2843)
    z, p = steiger(0.3, 0.4, 0.5, 100)
    assert (round(z, 4), round(p, 4)) == (-1.0718, 0.2838)
    # Steiger 1980, case A, page 249: -.8913 with the covariance rounded to .0042
    assert steiger(0.4, 0.5, 0.1, 103)[0] == pytest.approx(-0.8913, abs=0.003)


def test_runs_that_are_equal_or_perfect() -> None:
    for test in (williams, steiger):
        assert test(0.7, 0.7, 1.0, 50) == (0.0, 1.0)
        assert test(0.5, 0.5, 0.3, 50) == (0.0, 1.0)
        assert all(map(math.isnan, test(0.5, 0.6, 0.9, 3)))
        assert test(0.6, 0.5, 0.2, 50)[0] == pytest.approx(-test(0.5, 0.6, 0.2, 50)[0])


def runs(n: int, second_noise: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.uniform(0, 100, n)
    return label + rng.normal(0, 20, n), label + rng.normal(0, second_noise, n), label


def test_a_better_run_is_found_and_the_numbers_are_those_of_the_metrics() -> None:
    first, second, label = runs(300, 40, 0)
    found = compare(first, second, label, resamples=500, seed=1)
    assert found["n"] == 300 and found["contents"] == 300 and "reason" not in found
    assert found["srcc"]["first"] == pytest.approx(srcc(first, label))
    assert found["plcc"]["second"] == pytest.approx(plcc(second, label))
    for name, sign in (("srcc", 1), ("plcc", 1), ("rmse", -1)):
        row = found[name]
        assert sign * row["difference"] > 0 and row["low"] < row["difference"] < row["high"]
        assert row["low"] * row["high"] > 0 and row["p"] == pytest.approx(2 / 501)
    assert found["williams"]["plcc_p"] < 0.001 and found["steiger"]["srcc_p"] < 0.001
    assert found == compare(first, second, label, resamples=500, seed=1)
    back = compare(second, first, label, resamples=500, seed=1)
    assert back["srcc"]["difference"] == pytest.approx(-found["srcc"]["difference"])


def test_equal_runs_are_called_different_as_rarely_as_promised() -> None:
    p = []
    for seed in range(120):
        found = compare(*runs(80, 20, seed), resamples=200, seed=0)
        p.append((found["srcc"]["p"], found["williams"]["plcc_p"], found["steiger"]["plcc_p"]))
    rejected = (np.array(p) < 0.05).sum(axis=0)
    # of 120 at 5 %: 6; 14 or more have a chance of 0.3 %
    assert (rejected < 14).all(), rejected
    assert stats.kstest([row[1] for row in p], "uniform").pvalue > 0.01


def test_rows_that_one_run_lacks_are_dropped_for_both() -> None:
    first, second, label = runs(60, 30, 0)
    second[:5], label[5:8] = math.nan, math.nan
    found = compare(first, second, label, resamples=100)
    assert found["n"] == 52
    assert found["srcc"]["first"] == pytest.approx(srcc(first[8:], label[8:]))


def test_what_cannot_be_compared_has_a_reason() -> None:
    assert compare([1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 3, 4])["reason"].startswith("4 rows")
    assert compare([1] * 6, range(6), range(6))["reason"].startswith("scores of a run")
    assert compare([], [], [])["n"] == 0
    one = compare(range(8), [1, 0, 2, 3, 4, 5, 6, 7], range(8), ["one"] * 8)
    assert "fewer than 5 contents" in one["reason"] and math.isnan(one["srcc"]["p"])


def test_scores_that_hardly_differ_have_a_reason_for_no_interval() -> None:
    nearly_constant = [50.0] * 7 + [60.0]
    found = compare(nearly_constant, np.arange(8.0), np.arange(8.0))
    assert np.isnan(found["srcc"]["low"])
    assert found["reason"].startswith("no intervals: scores or labels are constant")
    assert score_metrics(nearly_constant, np.arange(8.0))["reason"].startswith("no intervals: sc")


def test_ties_are_scipys() -> None:
    rng = np.random.default_rng(0)
    first, second, label = rng.integers(0, 4, (3, 50)).astype(float)
    found = compare(first, second, label, resamples=100)
    assert found["srcc"]["first"] == pytest.approx(stats.spearmanr(first, label).statistic)


def test_clips_of_one_content_widen_the_interval() -> None:
    first, second, label = runs(30, 30, 3)
    contents = [f"c{i}" for i in range(30)]
    width = [
        row["srcc"]["high"] - row["srcc"]["low"]
        for row in (
            compare(*(np.tile(x, 6) for x in (first, second, label)), contents * 6),
            compare(*(np.tile(x, 6) for x in (first, second, label))),
        )
    ]
    assert width[1] < 0.7 * width[0]
