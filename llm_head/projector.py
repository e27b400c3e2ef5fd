"""The spatiotemporal projector: cached tokens to vectors that the LLM can read."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

_LIMIT = 6.0  # standard deviations; half-precision features have rare huge outliers


@dataclass(frozen=True)
class TokenShape:
    """Which tokens are read, and their sizes.

    Attributes:
        tokens: both, spatial or temporal.
        time: ordered: every second is kept, in order; mean: averaged over seconds before the
            projector, as in the authors' code.
        seconds: chunks of a video that are read at most, spread evenly.
        spatial: (P, D) of a key frame; (0, 0) if not read.
        temporal: D of a chunk; 0 if not read.
    """

    tokens: Literal["both", "spatial", "temporal"]
    time: Literal["ordered", "mean"]
    seconds: int
    spatial: tuple[int, int]
    temporal: int

    @property
    def per_second(self) -> int:
        """Return how many vectors the LLM gets for one second."""
        return self.spatial[0] + (self.temporal > 0)


class Projector(nn.Module):
    """Two-layer MLPs, one for spatial and one for temporal tokens.

    Source: W2S-VQA, arXiv:2505.03631 (two-layer MLPs, [spatial, temporal] second by second); the
    projector of LMM-VQA, arXiv:2408.14008, section III. Differs from the authors' code, which has
    a transformer layer and averages over time before it: features are standardised, since the
    encoders' scales differ by orders of magnitude, and outputs have the length of the LLM's own
    word embeddings, so that a frozen LLM sees what it knows.
    """

    def __init__(self, shape: TokenShape, width: int, length: float, dropout: float) -> None:
        """Make a projector with random weights from the current seed.

        Args:
            shape: of the tokens.
            width: L, of the LLM.
            length: mean norm of the LLM's word embeddings.
            dropout: share of the standardised features that is dropped in training.
        """
        super().__init__()
        self.shape = shape
        if shape.spatial[0]:
            self.spatial = _Mlp(shape.spatial[1], width, length, dropout)
        if shape.temporal:
            self.temporal = _Mlp(shape.temporal, width, length, dropout)

    def forward(self, spatial: Tensor | None, temporal: Tensor | None) -> Tensor:
        """Project the seconds of one or more videos.

        Args:
            spatial: (B, K, P, D) or None if not read.
            temporal: (B, K, D) or None if not read.

        Returns:
            (B, K, P + 1, L): of each second the spatial tokens in their order, then the temporal
            one; without the part that is not read.
        """
        parts = []
        if self.shape.spatial[0]:
            assert spatial is not None
            parts.append(self.spatial(spatial))
        if self.shape.temporal:
            assert temporal is not None
            parts.append(self.temporal(temporal).unsqueeze(2))
        return torch.cat(parts, dim=2)


class _Mlp(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, size: int, width: int, length: float, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))
        self.dropout = nn.Dropout(dropout)
        norm = nn.LayerNorm(width)
        nn.init.constant_(norm.weight, length / width**0.5)
        self.layers = nn.Sequential(
            nn.Linear(size, width), nn.GELU(), nn.Linear(width, width), norm
        )

    def forward(self, tokens: Tensor) -> Tensor:
        standard = ((tokens - self.mean) / self.std).clamp(-_LIMIT, _LIMIT)
        projected: Tensor = self.layers(self.dropout(standard))
        return projected


def set_statistics(mlp: nn.Module, mean: Tensor, std: Tensor) -> None:
    """Store the training tokens' mean and standard deviation, both (D,), in one part.

    A feature that never changes in training says nothing; it is divided by 1, so it stays zero.
    """
    mlp.get_buffer("mean").copy_(mean)
    mlp.get_buffer("std").copy_(torch.where(std > 1e-6, std, torch.ones_like(std)))
