"""Ranking: of two videos of one data set, the better one has the higher score."""

import torch
from torch import Tensor
from torch.nn import functional

_SCALE = 10.0  # points of score by which one video must lead for odds of e to 1


def rank_loss(score: Tensor, mos: Tensor, sets: Tensor) -> Tensor:
    """Return the mean loss over the pairs of one data set whose MOS differ, (); 0 without a pair.

    Only the order of two MOS counts, never their distance, and videos of two data sets are no pair:
    so where a set's scale begins and ends, and how its raters used it, teaches nothing.

    Args:
        score: float (B,), 0-100, with a gradient; NaN: not scored.
        mos: float (B,), NaN: unknown.
        sets: int64 (B,), equal for videos of the same data set.

    Source: Bradley and Terry (Biometrika, 1952) as a loss: RankNet, Burges et al., ICML 2005,
    section 3, with the order as the target.
    """
    known = (mos.isfinite() & score.isfinite()).nonzero().squeeze(1)
    score, mos, sets = score[known], mos[known], sets[known]
    better, worse = ((sets[:, None] == sets[None, :]) & (mos[:, None] > mos[None, :])).nonzero(
        as_tuple=True
    )
    if not len(better):
        return score.sum() * 0
    losses: Tensor = functional.softplus((score[worse] - score[better]) / _SCALE)
    return torch.mean(losses)
