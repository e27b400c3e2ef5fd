import numpy as np
import pytest
from scipy import stats

from llm_head import baselines
from llm_head.baselines import REGRESSIONS, fit_predict, video_features

WHOLE, PARTS = ("ridge", "svr"), ("ridge_spatial", "ridge_temporal")


def test_video_features_worked_example() -> None:
    spatial = np.array([[[1, 10], [3, 10]], [[5, 20], [9, 20]]], np.float16)  # (K=2, P=2, D=2)
    temporal = np.array([[0, 1, 2], [2, 3, 4]], np.float16)
    features = video_features(spatial, temporal)
    assert features.dtype == np.float64
    assert features.tolist() == [4.5, 15.0, 1.0, 2.0, 3.0]


def test_large_tokens_do_not_overflow() -> None:
    features = video_features(np.full((2, 50, 3), 60000, np.float16), np.zeros((2, 1), np.float16))
    assert np.isfinite(features).all()


@pytest.mark.parametrize(
    ("spatial", "temporal"), [((2, 3, 4), (3, 4)), ((2, 4), (2, 4)), ((0, 3, 4), (0, 4))]
)
def test_other_shapes_are_refused(spatial: tuple[int, ...], temporal: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="wanted"):
        video_features(np.zeros(spatial, np.float16), np.zeros(temporal, np.float16))


def made_up(n: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n, 12))
    mos = 50 + 12 * features[:, 0] - 8 * features[:, 1] + rng.normal(size=n)
    return features, mos, [f"shot{i // 5}" for i in range(n)]


def test_both_learn_and_are_deterministic() -> None:
    x, mos, groups = made_up(80)
    found = fit_predict(x[:60], mos[:60], x[60:], groups[:60], seed=1)
    assert tuple(found) == REGRESSIONS
    for name, predicted in found.items():
        assert predicted.shape == (20,)
        if name in PARTS:
            assert np.isnan(predicted).all()  # nobody said what the parts are
            continue
        assert stats.spearmanr(predicted, mos[60:]).statistic > 0.9, name
        again = fit_predict(x[:60], mos[:60], x[60:], groups[:60], seed=1)[name]
        assert np.array_equal(predicted, again)


def test_predictions_follow_the_scale_of_the_labels() -> None:
    x, mos, groups = made_up(60)
    on_100 = fit_predict(x[:50], mos[:50], x[50:], groups[:50], seed=0)
    on_5 = fit_predict(x[:50], mos[:50] / 20, x[50:], groups[:50], seed=0)
    for name in WHOLE:
        assert on_5[name] == pytest.approx(on_100[name] / 20, rel=1e-3)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_rows_and_one_content(n: int) -> None:
    x, mos, _ = made_up(10)
    for groups in (["one"] * n, [""] * n):
        found = fit_predict(x[:n], mos[:n], x, groups, seed=0)
        assert all(np.isfinite(found[name]).all() for name in WHOLE)


def test_constant_labels_and_no_videos() -> None:
    x, mos, groups = made_up(10)
    assert fit_predict(x, np.full(10, 42.0), x[:2], groups, 0)["svr"].tolist() == [42.0, 42.0]
    assert fit_predict(x, mos, x[:0], groups, 0)["ridge"].shape == (0,)


def test_what_is_not_finite_is_refused() -> None:
    x, mos, groups = made_up(10)
    bad = x.copy()
    bad[3, 2] = np.nan
    with pytest.raises(ValueError, match="features_train: 1 value"):
        fit_predict(bad, mos, x, groups, 0)
    with pytest.raises(ValueError, match="features: 1 value"):
        fit_predict(x, mos, bad, groups, 0)
    with pytest.raises(ValueError, match="mos_train"):
        fit_predict(x, np.full(10, np.nan), x, groups, 0)
    with pytest.raises(ValueError, match="10 labels, 9 groups"):
        fit_predict(x, mos, x, groups[:9], 0)


def test_a_large_part_of_noise_does_not_drown_a_small_one_that_tells() -> None:
    rng = np.random.default_rng(0)
    telling, noise = rng.normal(size=(120, 4)), rng.normal(size=(120, 600))
    mos = 50 + telling @ np.array([9.0, -6.0, 4.0, 3.0])
    x, groups = np.hstack([telling, noise]), [""] * 80
    one = fit_predict(x[:80], mos[:80], x[80:], groups, seed=0)
    two = fit_predict(x[:80], mos[:80], x[80:], groups, seed=0, sizes=(4, 600))
    for name in WHOLE:
        of_one, of_two = (stats.spearmanr(found[name], mos[80:])[0] for found in (one, two))
        assert of_two > 0.8 > of_one


def test_one_part_alone_says_what_its_encoder_knows() -> None:
    rng = np.random.default_rng(0)
    spatial, temporal = rng.normal(size=(100, 3)), rng.normal(size=(100, 5))
    mos = 50 + 9 * temporal[:, 0]
    x = np.hstack([spatial, temporal])
    found = fit_predict(x[:70], mos[:70], x[70:], [""] * 70, seed=0, sizes=(3, 5))
    srcc = {name: abs(stats.spearmanr(found[name], mos[70:])[0]) for name in WHOLE + PARTS[1:]}
    assert min(srcc.values()) > 0.9
    assert abs(np.corrcoef(found["ridge_spatial"], mos[70:])[0, 1]) < 0.5
    one_kind = fit_predict(x[:70], mos[:70], x[70:], [""] * 70, seed=0, sizes=(0, 8))
    assert all(np.isnan(one_kind[name]).all() for name in PARTS)


def test_the_kernel_machine_learns_from_whole_contents_up_to_its_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, mos, groups = made_up(100)
    all_rows = fit_predict(x, mos, x[:5], groups, seed=0)
    monkeypatch.setattr(baselines, "SVR_ROWS", 50)
    some = fit_predict(x, mos, x[:5], groups, seed=0)
    assert np.array_equal(some["ridge"], all_rows["ridge"])
    assert not np.allclose(some["svr"], all_rows["svr"])
    drawn = baselines._some_contents(groups, 50, seed=0)
    assert len(drawn) == 50 and len({groups[i] for i in drawn}) == 10  # of five rows each
    assert np.array_equal(drawn, baselines._some_contents(groups, 50, seed=0))
