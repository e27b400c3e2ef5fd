import math
import time

import numpy as np
import pytest
from scipy import stats

from llm_head.metrics import (
    answer_metrics,
    confusion,
    krcc,
    outliers,
    plcc,
    rmse,
    score_metrics,
    srcc,
)


def test_worked_example() -> None:
    predicted, label = [20.0, 40.0, 30.0, 80.0, 60.0], [10.0, 30.0, 50.0, 70.0, 90.0]
    # ranks 1 3 2 5 4 and 1 2 3 4 5: d2 = 0 1 1 1 1, 1 - 6 * 4 / (5 * 24) = 0.8
    assert srcc(predicted, label) == pytest.approx(0.8)
    # 10 pairs, discordant: (40, 30) and (80, 60): (8 - 2) / 10
    assert krcc(predicted, label) == pytest.approx(0.6)
    # offsets -26 -6 -16 34 14 and -40 -20 0 20 40: 2400 / sqrt(2320 * 4000)
    assert plcc(predicted, label) == pytest.approx(2400 / math.sqrt(2320 * 4000))
    assert rmse(predicted, label) == pytest.approx(math.sqrt((100 + 100 + 400 + 100 + 900) / 5))


@pytest.mark.parametrize("levels", [4, 1000])  # with many ties and with few
def test_correlations_are_scipys(levels: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, levels, 80).astype(float)
    y = x + rng.integers(0, levels, 80)
    assert srcc(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert krcc(x, y) == pytest.approx(stats.kendalltau(x, y).statistic)
    assert plcc(x, y) == pytest.approx(stats.pearsonr(x, y).statistic)


def test_plcc_is_exact_far_from_zero_and_for_tiny_values() -> None:
    x, y = np.array([1.0, 2, 3, 5]), np.array([1.0, 3, 2, 5])
    assert plcc(x * 1e-9, y + 1e6) == pytest.approx(plcc(x, y))
    assert math.isnan(plcc(np.full(4, 0.1), y))


@pytest.mark.parametrize(
    ("predicted", "label", "reason"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], "4 rows"),
        ([1, 1, 1, 1, 1], [1, 2, 3, 4, 5], "constant"),
        ([1, 2, 3, 4, 5], [7, 7, 7, 7, 7], "constant"),
        ([1, 2, 3, 4, 5, 6], [9, 7, 6, 4, 2, 1], "no 4-parameter logistic fit: the fitted curve"),
        ([1, 2, 3, 4, 5, 6], [9, 7, 6, 4, 2, 1], "no 5-parameter logistic fit: the fitted curve"),
        ([1, 2, 3, 4, 6], [1, 2, 3, 4, 5], "no 5-parameter logistic fit: 5 rows"),
    ],
)
def test_failed_fits_are_reported(predicted: list[float], label: list[float], reason: str) -> None:
    result = score_metrics(predicted, label)
    assert reason in str(result["reason"])
    assert math.isnan(float(result["plcc_logistic5"])) and math.isnan(
        float(result["rmse_logistic5"])
    )


def test_outlier_ratio_worked_example() -> None:
    mapped, label = [50.0, 50, 50, 50], [45.0, 61, 50, 90]
    # off by 5, 11, 0, 40; twice the deviations is 10, 10, 2, unknown: the second is outside
    assert outliers(mapped, label, [5, 5, 1, math.nan]) == {
        "outlier_ratio": pytest.approx(1 / 3), "outlier_n": 3,
    }  # fmt: skip
    assert outliers(mapped, label, [math.nan] * 4) == {}
    failed = outliers([math.nan] * 4, label, [5] * 4)
    assert math.isnan(failed["outlier_ratio"]) and failed["outlier_n"] == 4
    assert "outlier_ratio" not in score_metrics(mapped, label)


def test_rows_without_label_are_dropped_and_missing_scores_counted() -> None:
    predicted = [1, 2, math.nan, 4, 5, 6, math.inf, 8]
    label = [1, 2, 3, math.nan, 5, 6, 7, 8]
    result = score_metrics(predicted, label)
    assert (result["n"], result["missing"], result["contents"]) == (5, 2, 5)
    assert result["srcc"] == pytest.approx(1) and result["rmse"] == 0


def test_few_rows_and_constants_are_nan_with_a_reason() -> None:
    few = score_metrics([1.0, 2, 3], [1.0, 2, 4])
    assert (
        few["n"] == 3
        and math.isnan(float(few["srcc"]))
        and few["rmse"] == pytest.approx(0.577, abs=1e-3)
    )
    constant = score_metrics([50.0] * 8, list(range(8)))
    assert math.isnan(float(constant["srcc"])) and math.isnan(float(constant["srcc_low"]))
    assert float(constant["rmse_low"]) < float(constant["rmse"]) < float(constant["rmse_high"])
    none = score_metrics([], [])
    assert none["n"] == 0 and math.isnan(float(none["rmse"])) and none["reason"]
    unscored = score_metrics([math.nan] * 6, list(range(6)))
    assert (unscored["n"], unscored["missing"]) == (0, 6)


def test_interval_holds_the_value_and_is_seeded() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=60)
    y = x + rng.normal(size=60)
    result = score_metrics(x, y, seed=3)
    for name in ("srcc", "krcc", "plcc", "rmse"):
        assert float(result[f"{name}_low"]) < float(result[name]) < float(result[f"{name}_high"])
    assert result == score_metrics(x, y, seed=3)
    assert result["srcc_low"] != score_metrics(x, y, seed=4)["srcc_low"]
    assert "srcc_low" not in score_metrics(x, y, resamples=0)


def test_clips_of_one_shot_widen_the_interval() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 20)) + rng.normal(size=20)
    contents = [f"shot{i}" for i in range(20)]
    copies = score_metrics(np.tile(x, 8), np.tile(y, 8), contents * 8)
    once = score_metrics(x, y, contents)
    alone = score_metrics(np.tile(x, 8), np.tile(y, 8))
    width = [float(r["plcc_high"]) - float(r["plcc_low"]) for r in (once, copies, alone)]
    assert width[1] == pytest.approx(width[0])  # eight copies of a clip are not eight clips
    assert width[2] < 0.6 * width[0]
    assert copies["contents"] == 20


def test_few_contents_have_no_interval() -> None:
    result = score_metrics(range(8), range(8), ["a", "b"] * 4)
    assert math.isnan(float(result["srcc_low"])) and "fewer than 5 contents" in str(
        result["reason"]
    )


def test_thousand_resamples_of_500_are_quick() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 500))
    started = time.perf_counter()
    score_metrics(x, y, resamples=1000)
    assert time.perf_counter() - started < 2


def test_answers() -> None:
    truth = ["blur"] * 6 + ["noise"] * 2 + [""]
    answered = ["blur"] * 6 + ["blur", "noise", "blur"]
    result = answer_metrics(answered, truth)
    assert (result["n"], result["missing"], result["classes"]) == (8, 0, 2)
    assert result["accuracy"] == pytest.approx(7 / 8)
    assert result["balanced_accuracy"] == pytest.approx((1 + 1 / 2) / 2)
    assert result["majority"] == pytest.approx(6 / 8)
    assert result["accuracy_low"] < 7 / 8 < result["accuracy_high"]


def test_no_answer_is_wrong() -> None:
    result = answer_metrics(["", "a", "a", "a", "b"], ["a", "a", "a", "a", "b"])
    assert result["missing"] == 1 and result["accuracy"] == pytest.approx(0.8)
    nothing = answer_metrics(["a"], [""])
    assert nothing["n"] == 0 and math.isnan(nothing["accuracy"])


def test_confusion() -> None:
    assert confusion(["a", "b", "", "a"], ["a", "a", "b", ""]) == {
        "a": {"a": 1, "b": 1},
        "b": {"no answer": 1},
    }
