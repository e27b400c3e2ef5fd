"""Several conversations about one video in one sequence, sharing the video.

A sample is a tree of segments: the root holds the video, each child continues its parent. A token
sees its own segment and its ancestors up to itself, and positions go on from the parent's end, so
each branch has the logits it would have alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

VISUAL = -1  # in ids: the place of a projected token
IGNORE = -100  # in labels: no loss here


@dataclass(frozen=True)
class Segment:
    """A run of tokens that continues another segment.

    Attributes:
        ids: token ids, or VISUAL.
        parent: index of the segment that it continues; None: it begins the sequence.
        learned: one per id, whether it is predicted; empty: none is.
        soft_at: index in ids of the word that has a soft label, if there is one.
    """

    ids: tuple[int, ...]
    parent: int | None
    learned: tuple[bool, ...] = ()
    soft_at: int | None = None


@dataclass(frozen=True)
class Packed:
    """A batch of packed samples, padded on the right to N.

    Attributes:
        ids: int64 (B, N), 0 at visual places and padding.
        visual: bool (B, N), places of projected tokens, filled in order.
        positions: int64 (B, N), from 0 at the root's start.
        allowed: bool (B, N, N), row sees column; padding sees itself only, and none sees it.
        source: int64 (B, N), the place whose output predicts this token.
        labels: int64 (B, N), the token where it is learned, else IGNORE.
        weights: float (B, N), 1 / learned tokens of the segment where it is learned, else 0.
        soft_at: bool (B, N), words that have a soft label.
        starts: per sample the place of each segment's first token.
    """

    ids: Tensor
    visual: Tensor
    positions: Tensor
    allowed: Tensor
    source: Tensor
    labels: Tensor
    weights: Tensor
    soft_at: Tensor
    starts: list[list[int]]


def pack(samples: Sequence[Sequence[Segment]]) -> Packed:
    """Lay out samples as one batch.

    Args:
        samples: per sample its segments, parents before children; only the root has VISUAL ids.
    """
    rows = [_lay_out(segments) for segments in samples]
    size = max(len(row["ids"]) for row in rows)

    def stack(key: str, fill: int) -> Tensor:
        padded = [
            np.pad(row[key], (0, size - len(row["ids"])), constant_values=fill) for row in rows
        ]
        return torch.from_numpy(np.stack(padded))

    ids = stack("ids", 0)
    allowed = torch.stack([torch.eye(size, dtype=torch.bool)] * len(rows))
    for index, row in enumerate(rows):
        n = len(row["ids"])
        allowed[index, :n, :n] = torch.from_numpy(_sees(samples[index], row))
    return Packed(
        ids=ids.clamp(min=0),
        visual=ids == VISUAL,
        positions=stack("positions", 0),
        allowed=allowed,
        source=stack("source", 0),
        labels=stack("labels", IGNORE),
        weights=stack("weights", 0).float(),
        soft_at=stack("soft_at", 0).bool(),
        starts=[row["starts"].tolist() for row in rows],
    )


def _lay_out(segments: Sequence[Segment]) -> dict[str, np.ndarray]:
    sizes = [len(segment.ids) for segment in segments]
    starts = np.cumsum([0, *sizes[:-1]])
    ends: list[int] = []  # of each segment: position after its last token, along its path
    positions: list[int] = []
    source: list[int] = []
    labels: list[int] = []
    weights: list[float] = []
    soft_at: list[bool] = []
    for segment, start, size in zip(segments, starts, sizes, strict=True):
        parent = segment.parent
        first = 0 if parent is None else ends[parent]
        before = 0 if parent is None else int(starts[parent]) + sizes[parent] - 1
        positions += range(first, first + size)
        source += [before, *range(start, start + size - 1)]
        learned = segment.learned or (False,) * size
        labels += [i if use else IGNORE for i, use in zip(segment.ids, learned, strict=True)]
        weights += [use / sum(learned) if use else 0.0 for use in learned]
        soft_at += [i == segment.soft_at for i in range(size)]
        ends.append(first + size)
    return {
        "ids": np.array([i for segment in segments for i in segment.ids], dtype=np.int64),
        "segment": np.repeat(np.arange(len(segments)), sizes),
        "positions": np.array(positions, dtype=np.int64),
        "source": np.array(source, dtype=np.int64),
        "labels": np.array(labels, dtype=np.int64),
        "weights": np.array(weights, dtype=np.float64),
        "soft_at": np.array(soft_at, dtype=np.int64),
        "starts": starts,
    }


def _sees(segments: Sequence[Segment], row: dict[str, np.ndarray]) -> np.ndarray:
    above = np.eye(len(segments), dtype=bool)  # [i, j]: j is i or an ancestor of i
    for index, segment in enumerate(segments):
        if segment.parent is not None:
            above[index] |= above[segment.parent]
    path = above[row["segment"][:, None], row["segment"][None, :]]
    seen: np.ndarray = path & (row["positions"][None, :] <= row["positions"][:, None])
    return seen
