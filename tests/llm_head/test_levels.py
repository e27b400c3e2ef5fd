from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from llm_head.levels import (
    CENTRES,
    LEVELS,
    expectation,
    level_of,
    mos_of,
    percentile_cuts,
    percentile_level_of,
    soft_label,
)

PUBLISHED = Path(__file__).parents[3] / "shared/labels"


@pytest.mark.parametrize(
    ("mos", "level"),
    [
        *[(0, "bad"), (19.99, "bad"), (20, "poor"), (40, "fair"), (59.9, "fair"), (60, "good")],
        *[(80, "excellent"), (100, "excellent")],
    ],
)
def test_levels_are_cut_at_20_40_60_80(mos: float, level: str) -> None:
    assert level_of(mos) == level


@pytest.mark.parametrize("mos", [-0.1, 100.1, float("nan")])
def test_a_mos_off_the_scale_is_refused(mos: float) -> None:
    with pytest.raises(ValueError, match=r"0\.\.100"):
        level_of(mos)
    with pytest.raises(ValueError, match=r"0\.\.100"):
        soft_label(mos, 10)


@pytest.mark.parametrize("std", [0, 5, 12, 30])
def test_soft_labels_sum_to_one(std: float) -> None:
    for mos in np.linspace(0, 100, 41):
        label = soft_label(mos, std)
        assert label.shape == (5,)
        assert label.min() >= 0
        assert label.sum() == pytest.approx(1)


def test_soft_label_is_symmetric_and_peaks_at_its_level() -> None:
    np.testing.assert_allclose(soft_label(50, 15), soft_label(50, 15)[::-1])
    np.testing.assert_allclose(soft_label(13, 15), soft_label(87, 15)[::-1])
    assert LEVELS[int(soft_label(72, 12).argmax())] == level_of(72)


def test_soft_label_without_spread_is_one_level() -> None:
    np.testing.assert_array_equal(soft_label(20, 0), [0, 1, 0, 0, 0])


def test_a_negative_spread_is_refused() -> None:
    with pytest.raises(ValueError, match="std"):
        soft_label(50, -1)


@pytest.mark.parametrize("std", [8, 12, 20])
def test_every_mos_comes_back_from_its_soft_label(std: float) -> None:
    means = [expectation(soft_label(mos, std))[0] for mos in range(101)]
    assert np.all(np.diff(means) > 0)
    np.testing.assert_allclose([mos_of(mean, std) for mean in means], range(101), atol=0.01)


def test_the_way_back_keeps_to_the_scale() -> None:
    assert mos_of(10, 12) == 0
    assert mos_of(90, 12) == 100
    assert mos_of(50, 12) == pytest.approx(50)
    assert mos_of(73, 0) == 73


def test_the_expectation_of_one_level_is_its_centre() -> None:
    for p, centre in zip(np.eye(5), CENTRES, strict=True):
        assert expectation(p) == (centre, 0)


def test_probabilities_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        expectation([0.5, 0.5, 0.5, 0, 0])


def test_percentile_levels_are_thirds_of_a_data_set() -> None:
    mos = np.random.default_rng(0).normal(60, 10, 3000).clip(0, 100)
    cuts = percentile_cuts(mos)
    shares = pd.Series([percentile_level_of(m, cuts) for m in mos]).value_counts(normalize=True)
    assert shares["poor"] == pytest.approx(0.33, abs=0.001)
    assert shares["fair"] == pytest.approx(0.33, abs=0.001)
    assert [percentile_level_of(m, (55.0, 65.0)) for m in (54.9, 55, 65)] == [
        "poor",
        "fair",
        "good",
    ]


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"no label files in {PUBLISHED}")
@pytest.mark.parametrize(
    ("name", "scale", "cuts"),
    [
        ("KoNViD_1k_mos", 20, (55.3, 67.6)),
        ("LIVE-VQC_", 1, (57.7, 72.25)),
        ("LIVE_Gaming", 1, (61.0, 75.7)),
        ("youtube_ugc_whole", 20, (65.3, 77.6)),
    ],
)
def test_the_authors_cuts(name: str, scale: float, cuts: tuple[float, float]) -> None:
    mos = pd.read_csv(PUBLISHED / f"{name}.csv")["mos"] * scale
    assert percentile_cuts(mos) == pytest.approx(cuts, abs=0.06)


def test_percentiles_of_nothing_are_refused() -> None:
    for mos in ([], [50.0, float("nan")]):
        with pytest.raises(ValueError, match="wanted finite MOS"):
            percentile_cuts(mos)
    with pytest.raises(ValueError, match="must not fall"):
        percentile_level_of(50, (60, 40))
    with pytest.raises(ValueError, match=r"in 0\.\.100"):
        percentile_level_of(101, (40, 60))
