"""Small heads without a language model: two layers on pooled tokens, of one kind and of both.

What people of the field call a spatial-only or a motion-only head: a perceptron on the features of
one encoder, averaged over time, as in SimpleVQA and its kin.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from llm_head.baselines import HEADS, equal_shares, refuse_odd
from llm_head.bootstrap import Floats

WIDTH = 128
MEMBERS = 5  # their mean is the score: one alone depends on how it began
_EPOCHS = 50
_PATIENCE = 15  # epochs without a smaller error on the validation videos
_BATCH = 32
_RATE, _DECAY, _DROPOUT = 1e-3, 0.01, 0.3

Side = tuple[Tensor, Tensor]  # features (n, F) and labels (n,), both standardised


def fit_predict_heads(
    train: tuple[Floats, Floats],
    val: tuple[Floats, Floats],
    features: Floats,
    seed: int,
    sizes: Sequence[int] = (),
) -> dict[str, Floats]:
    """Fit the small heads on the training split and predict; the same input, the same output.

    Each is the mean of `MEMBERS` that begin differently. The epoch kept is the one with the least
    squared error on the validation videos, without any the last.

    Args:
        train: finite features ``(n, F)``, n >= 1, and MOS ``(n,)``.
        val: the same of the validation videos; may have no row.
        features: finite ``(m, F)``, videos to predict.
        seed: of weights, dropout and the order of videos.
        sizes: as `baselines.fit_predict`.

    Returns:
        ``mlp``, and ``mlp_spatial`` and ``mlp_temporal`` (NaN unless there are both parts), each
        ``(m,)``, on the label's scale but not clipped to it.

    Raises:
        ValueError: if lengths differ, there is no training row, or a value is not finite.
    """
    x, mos = train
    refuse_odd(x, mos, features)
    centre, spread = mos.mean(), mos.std()
    if len(features) == 0 or spread == 0:
        return {name: np.full(len(features), centre) for name in HEADS}
    scaler = StandardScaler().fit(x)
    shares = equal_shares(sizes or (x.shape[1],))

    def side(part: slice, rows: Floats, labels: Floats) -> Side:
        scaled = (shares * scaler.transform(rows))[:, part] if len(rows) else rows[:, part]
        target = (labels - centre) / spread
        return torch.from_numpy(scaled), torch.from_numpy(target)

    parts = {"mlp": slice(None)}
    if len(sizes) == 2 and all(sizes):
        parts |= {"mlp_spatial": slice(0, sizes[0]), "mlp_temporal": slice(sizes[0], None)}
    nothing = np.zeros(len(features))
    found = {name: np.full(len(features), np.nan) for name in HEADS}
    with _alone():
        for name, part in parts.items():
            asked, _ = side(part, features, nothing)
            sides = side(part, x, mos), side(part, *val)
            members = [_member(*sides, asked, seed + 1000 * n) for n in range(MEMBERS)]
            found[name] = centre + spread * np.mean(members, axis=0)
    return found


@contextmanager
def _alone() -> Iterator[None]:
    """Within it one thread computes, so that sums round alike; random numbers outside are kept."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            yield
    finally:
        torch.set_num_threads(threads)


def _member(train: Side, val: Side, asked: Tensor, seed: int) -> Floats:
    """Train one head; return its scores ``(m,)`` at the best epoch, standardised."""
    torch.manual_seed(seed)
    x, target = train
    head = nn.Sequential(
        *(nn.Linear(x.shape[1], WIDTH), nn.GELU(), nn.Dropout(_DROPOUT), nn.Linear(WIDTH, 1)),
        nn.Flatten(0),
    ).double()  # in float32 a score would depend in its last digits on how many are asked for
    optimizer = torch.optim.AdamW(head.parameters(), lr=_RATE, weight_decay=_DECAY)
    best, kept, scores = math.inf, 0, torch.full((len(asked),), math.nan)
    for epoch in range(_EPOCHS):
        head.train()
        order = torch.randperm(len(x))
        for at in range(0, len(x), _BATCH):
            rows = order[at : at + _BATCH]
            optimizer.zero_grad()
            mse_loss(head(x[rows]), target[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        head.eval()
        with torch.no_grad():
            error = mse_loss(head(val[0]), val[1]).item() if len(val[0]) else -math.inf
            if error < best or not len(val[0]):
                best, kept, scores = error, epoch, head(asked)
        if epoch - kept >= _PATIENCE:
            break
    found: Floats = scores.numpy()
    return found
