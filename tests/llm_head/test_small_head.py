from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats

from llm_head import small_head
from llm_head.baselines import HEADS
from llm_head.small_head import fit_predict_heads

SIZES = (6, 30)


def made_up(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return features of two kinds, of which only the first tells of the MOS, and by a bend."""
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 2, size=(n, sum(SIZES)))
    z = (x[:, :2] - 3) / 2
    return x, 50 + 8 * z[:, 0] + 10 * np.abs(z[:, 1]) + rng.normal(size=n)


def split(n: int = 400) -> list[tuple[np.ndarray, np.ndarray]]:
    x, mos = made_up(n)
    cut = [0, n // 2, 3 * n // 4, n]
    return [(x[a:b], mos[a:b]) for a, b in pairwise(cut)]


def srcc(found: np.ndarray, mos: np.ndarray) -> float:
    return float(stats.spearmanr(found, mos).statistic)


def test_each_head_knows_what_its_tokens_tell() -> None:
    train, val, (x, mos) = split()
    found = fit_predict_heads(train, val, x, seed=0, sizes=SIZES)
    assert tuple(found) == HEADS
    assert srcc(found["mlp_spatial"], mos) > 0.9 and srcc(found["mlp"], mos) > 0.8
    assert abs(srcc(found["mlp_temporal"], mos)) < 0.25
    # on the label's scale, not only in its order
    assert np.sqrt(np.mean((found["mlp_spatial"] - mos) ** 2)) < 0.5 * mos.std()
    linear = np.linalg.lstsq(np.c_[train[0], np.ones(len(train[0]))], train[1], rcond=None)[0]
    assert srcc(found["mlp_spatial"], mos) > srcc(np.c_[x, np.ones(len(x))] @ linear, mos) + 0.1


def test_the_same_input_gives_the_same_scores_whoever_else_is_asked_for() -> None:
    train, val, (x, _) = split(120)
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    found = fit_predict_heads(train, val, x, seed=1, sizes=SIZES)
    assert torch.equal(torch.random.get_rng_state(), before)  # nobody else's numbers are drawn
    torch.manual_seed(8)
    alone = fit_predict_heads(train, val, x[:1], seed=1, sizes=SIZES)
    for name in HEADS:
        assert alone[name] == pytest.approx(found[name][:1], abs=1e-9)
    other = fit_predict_heads(train, val, x, seed=2, sizes=SIZES)
    assert not np.allclose(other["mlp"], found["mlp"])


def test_the_epoch_is_chosen_by_validation_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_head, "MEMBERS", 1)
    train, val, (x, _) = split(120)
    none = (val[0][:0], val[1][:0])
    last = fit_predict_heads(train, none, x, seed=0)["mlp"]
    monkeypatch.setattr(small_head, "_EPOCHS", 1)
    first = fit_predict_heads(train, none, x, seed=0)["mlp"]
    monkeypatch.undo()
    monkeypatch.setattr(small_head, "MEMBERS", 1)
    # labels that say the contrary of the training videos: every epoch makes it worse
    against = (val[0], 2 * train[1].mean() - val[1])
    assert np.array_equal(fit_predict_heads(train, against, x, seed=0)["mlp"], first)
    assert not np.allclose(first, last)


def test_one_kind_of_tokens_has_one_head() -> None:
    train, val, (x, _) = split(40)
    for sizes in ((), (36, 0), (0, 36)):
        found = fit_predict_heads(train, val, x, seed=0, sizes=sizes)
        assert np.isfinite(found["mlp"]).all()
        assert np.isnan(found["mlp_spatial"]).all() and np.isnan(found["mlp_temporal"]).all()


def test_constant_labels_one_video_and_none_to_predict() -> None:
    train, val, (x, _) = split(40)
    flat = (train[0], np.full(len(train[0]), 42.0))
    assert fit_predict_heads(flat, val, x[:2], 0)["mlp"].tolist() == [42.0, 42.0]
    assert fit_predict_heads(train, val, x[:0], 0)["mlp"].shape == (0,)
    one = (train[0][:1], train[1][:1])
    assert fit_predict_heads(one, val, x[:1], 0)["mlp"].tolist() == one[1].tolist()


def test_what_is_not_finite_is_refused() -> None:
    train, val, (x, _) = split(40)
    with pytest.raises(ValueError, match="mos_train is not finite"):
        fit_predict_heads((train[0], np.full(len(train[0]), np.nan)), val, x, 0)
    with pytest.raises(ValueError, match="0 features, 0 labels"):
        fit_predict_heads((train[0][:0], train[1][:0]), val, x, 0)
