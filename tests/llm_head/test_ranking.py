import math

import pytest
import torch

from llm_head.ranking import rank_loss

NAN = float("nan")


def loss(score: list[float], mos: list[float], sets: list[int]) -> float:
    return float(rank_loss(torch.tensor(score), torch.tensor(mos), torch.tensor(sets)))


def test_pairs_of_one_data_set_are_ordered() -> None:
    lead_10, lead_20 = math.log1p(math.exp(-1)), math.log1p(math.exp(-2))
    assert loss([30, 40, 50], [1, 2, 3], [0, 0, 0]) == pytest.approx((2 * lead_10 + lead_20) / 3)
    behind = math.log1p(math.exp(2))
    assert loss([50, 30], [1, 2], [0, 0]) == pytest.approx(behind)


def test_videos_of_two_sets_equal_mos_and_unknown_ones_are_no_pair() -> None:
    assert loss([50, 30], [1, 2], [0, 1]) == 0
    assert loss([50, 30], [2, 2], [0, 0]) == 0
    assert loss([50, 30, NAN], [1, NAN, 3], [0, 0, 0]) == 0


def test_a_sets_own_scale_teaches_nothing() -> None:
    score = [20.0, 60.0, 40.0, 70.0]
    stretched = loss(score, [10, 90, 40, 60], [0, 0, 1, 1])
    assert stretched == loss(score, [49, 50, 1, 99], [0, 0, 1, 1]) > 0


def test_a_batch_without_a_pair_still_has_a_gradient_of_zero() -> None:
    score = torch.tensor([50.0, NAN], requires_grad=True)
    rank_loss(score, torch.tensor([1.0, 2.0]), torch.tensor([0, 0])).backward()
    assert score.grad is not None and score.grad.tolist() == [0, 0]
