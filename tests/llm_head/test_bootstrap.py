import math

import numpy as np
import pytest
from scipy import stats

from llm_head.bootstrap import (
    content_codes,
    counted_ranks,
    interval,
    kendall,
    pearson,
    resample_counts,
)


@pytest.mark.parametrize("levels", [5, 10_000])
def test_counted_statistics_are_those_of_the_written_out_resample(levels: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, levels, 600).astype(float)  # more rows than one block
    y = x + rng.integers(0, levels, 600)
    counts = resample_counts(np.arange(600) // 3, 4, seed=1)
    assert counts is not None
    found = (
        pearson(counts, x[None], y[None]),
        pearson(counts, counted_ranks(counts, x), counted_ranks(counts, y)),
        kendall(counts, x, y),
    )
    for i, count in enumerate(counts.astype(int)):
        a, b = np.repeat(x, count), np.repeat(y, count)
        assert found[0][i] == pytest.approx(stats.pearsonr(a, b).statistic)
        assert found[1][i] == pytest.approx(stats.spearmanr(a, b).statistic)
        assert found[2][i] == pytest.approx(stats.kendalltau(a, b).statistic)


def test_rows_of_a_content_are_drawn_together() -> None:
    codes = content_codes(["a", "", "a", "b", "", "c", "c"], 7)
    assert len(set(codes.tolist())) == 5
    counts = resample_counts(codes, 50, seed=0)
    assert counts is not None and counts.shape == (50, 7)
    assert (counts[:, 0] == counts[:, 2]).all() and (counts[:, 5] == counts[:, 6]).all()
    assert (counts[:, [0, 1, 3, 4, 5]].sum(axis=1) == 5).all()
    assert resample_counts(codes[:4], 50, seed=0) is None


def test_a_constant_resample_is_nan() -> None:
    counts = np.array([[2.0, 0, 0, 1], [1, 1, 1, 0]])
    x, y = np.array([0.1, 0.2, 0.3, 0.1]), np.array([1.0, 2, 3, 4])
    assert np.isnan(pearson(counts, x[None], y[None])).tolist() == [True, False]
    assert np.isnan(kendall(counts, x, y)).tolist() == [True, False]


def test_interval_bears_few_undefined_resamples_only() -> None:
    assert interval(np.arange(101.0)) == (2.5, 97.5)
    assert interval(np.append(np.arange(101.0), math.nan)) == (2.5, 97.5)
    assert all(map(math.isnan, interval(np.array([1.0, 2, 3, math.nan]))))
    assert all(map(math.isnan, interval(np.array([]))))
