"""The spatiotemporal projector: cached tokens to vectors that the LLM can read."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

_LIMIT = 6.0  # standard deviations; half-precision features have rare huge outliers
_HEAD_SIZE = 64  # numbers of a token that one attention head reads, as in CLIP


@dataclass(frozen=True)
class TokenShape:
    """Which tokens are read, their sizes, and how many vectors become of them.

    Attributes:
        tokens: both, spatial or temporal.
        time: ordered: every second is kept, in order; mean: one is left, the mean of all, taken of
            what `Layers.by_token` returns, as the authors' code does.
        seconds: chunks of a video that are read at most, spread evenly.
        spatial: (P, D) of a key frame; (0, 0) if not read.
        temporal: D of a chunk; 0 if not read.
        projector: mlp, vit or resampler, see the classes below.
        queries: vectors per second that a resampler makes; 0 for the others.
        markers: whether a text with its number stands before the vectors of each second.
        cue: text: the video's size, frame rate and bit rate stand behind its vectors.
    """

    tokens: Literal["both", "spatial", "temporal"]
    time: Literal["ordered", "mean"]
    seconds: int
    spatial: tuple[int, int]
    temporal: int
    projector: Literal["mlp", "vit", "resampler"] = "mlp"
    queries: int = 0
    markers: bool = False
    cue: Literal["none", "text"] = "none"

    @property
    def per_second(self) -> int:
        """Return how many vectors the LLM gets for one second."""
        return self.queries or self.spatial[0] + (self.temporal > 0)


class Projector(nn.Module):
    """Standardises tokens, projects them, and gives them the length of the LLM's own words.

    Differs from the authors' code of LMM-VQA: features are standardised, since the encoders' scales
    differ by orders of magnitude, and outputs have the length of the LLM's own word embeddings, so
    that a frozen LLM sees what it knows.
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
        sizes = {"spatial": shape.spatial[1], "temporal": shape.temporal}
        self.standard = nn.ModuleDict(
            {kind: _Standard(size, dropout) for kind, size in sizes.items() if size}
        )
        layers = {"mlp": Mlp, "vit": Vit, "resampler": Resampler}[shape.projector]
        self.layers: Layers = layers(shape, width)
        self.norm = nn.LayerNorm(width)
        nn.init.constant_(self.norm.weight, length / width**0.5)

    def forward(
        self, spatial: Tensor | None, temporal: Tensor | None, seconds: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Project the seconds of one or more videos; each second by itself, or their mean.

        Args:
            spatial: (B, K, P, D) or None if not read.
            temporal: (B, K, D) or None if not read.
            seconds: bool (B, K), which are there and not padding.

        Returns:
            (B, K, T, L), T vectors per second, and bool (B, K), which seconds are there; K is 1
            where time is mean. Without a resampler the vectors are the spatial tokens in their
            order, then the temporal one; without the part that is not read.
        """
        parts: dict[str, Tensor] = {}
        for kind, tokens in (("spatial", spatial), ("temporal", temporal)):
            if kind in self.standard:
                assert tokens is not None
                standard = self.standard[kind](tokens)
                parts[kind] = standard if kind == "spatial" else standard.unsqueeze(2)
        parts = self.layers.by_token(parts)
        if self.shape.time == "mean":
            parts = {kind: _mean(tokens, seconds) for kind, tokens in parts.items()}
            seconds = seconds.any(dim=1, keepdim=True)
        projected: Tensor = self.norm(self.layers(parts))
        return projected, seconds

    def stds(self) -> dict[str, Tensor]:
        """Return the features' standard deviations (D,), by kind; 0-sized for what is not read."""
        found = {kind: torch.zeros(0) for kind in ("spatial", "temporal")}
        for kind, standard in self.standard.items():
            assert isinstance(standard, _Standard)
            found[kind] = standard.std
        return {kind: std.to(self.norm.weight.device) for kind, std in found.items()}

    def set_statistics(self, kind: str, mean: Tensor, std: Tensor) -> None:
        """Store the training tokens' mean and standard deviation, both (D,), of one kind.

        A feature that never changes in training says nothing; it is divided by 1: it stays zero.
        """
        part = self.standard[kind]
        part.get_buffer("mean").copy_(mean)
        part.get_buffer("std").copy_(torch.where(std > 1e-6, std, torch.ones_like(std)))


class _Standard(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, size: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        standard = ((tokens - self.mean) / self.std).clamp(-_LIMIT, _LIMIT)
        dropped: Tensor = self.dropout(standard)
        return dropped


class Layers(nn.Module):
    """What stands between the standardised tokens and the projector's norm."""

    def by_token(self, parts: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return tokens (B, K, P, D) by kind, after what is done to each one by itself."""
        return parts


class Mlp(Layers):
    """Two layers for spatial and two for temporal tokens.

    Source: W2S-VQA, arXiv:2505.03631 (two-layer MLPs, [spatial, temporal] second by second).
    """

    def __init__(self, shape: TokenShape, width: int) -> None:
        super().__init__()
        self.kinds = nn.ModuleDict(
            {
                kind: nn.Sequential(nn.Linear(size, width), nn.GELU(), nn.Linear(width, width))
                for kind, size in _sizes(shape).items()
            }
        )

    def forward(self, parts: dict[str, Tensor]) -> Tensor:
        return torch.cat([self.kinds[kind](tokens) for kind, tokens in parts.items()], dim=2)


class Vit(Layers):
    """The temporal token joins the spatial ones of its second in a transformer layer.

    Source: the authors' code of LMM-VQA, arXiv:2408.14008: linear and norm bring the temporal
    token to the size of the spatial ones; all pass one new layer of CLIP's ViT, with its quick
    GELU, then linear and norm (the norm is `Projector`'s).
    """

    def __init__(self, shape: TokenShape, width: int) -> None:
        super().__init__()
        size = shape.spatial[1] or shape.temporal
        if shape.spatial[1] and shape.temporal:
            self.temporal = nn.Sequential(nn.Linear(shape.temporal, size), nn.LayerNorm(size))
        self.layer = _transformer_layer(size)
        self.out = nn.Linear(size, width)

    def by_token(self, parts: dict[str, Tensor]) -> dict[str, Tensor]:
        if len(parts) == 2:
            parts = {**parts, "temporal": self.temporal(parts["temporal"])}
        return parts

    def forward(self, parts: dict[str, Tensor]) -> Tensor:
        tokens = torch.cat(list(parts.values()), dim=2)
        mixed: Tensor = self.layer(tokens.flatten(0, 1)).unflatten(0, tokens.shape[:2])
        projected: Tensor = self.out(mixed)
        return projected


class Resampler(Layers):
    """Learned queries read the tokens of a second: for fine grids, and so for more seconds.

    Source: the perceiver resampler of Flamingo, arXiv:2204.14198, one layer, a second at a time.
    """

    def __init__(self, shape: TokenShape, width: int) -> None:
        super().__init__()
        if shape.queries < 1:
            raise ValueError(f"a resampler needs at least one query, got {shape.queries}")
        self.inputs = nn.ModuleDict(
            {kind: nn.Linear(size, width) for kind, size in _sizes(shape).items()}
        )
        self.queries = nn.Parameter(torch.randn(shape.queries, width) / width**0.5)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.attention = nn.MultiheadAttention(width, _heads(width), batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, parts: dict[str, Tensor]) -> Tensor:
        tokens = torch.cat([self.inputs[kind](part) for kind, part in parts.items()], dim=2)
        batch = tokens.shape[:2]
        keys = self.norms[0](tokens.flatten(0, 1))
        queries = self.queries.expand(len(keys), -1, -1)
        read, _ = self.attention(self.norms[1](queries), keys, keys, need_weights=False)
        read = queries + read
        read = read + self.mlp(self.norms[2](read))
        per_second: Tensor = read.unflatten(0, batch)
        return per_second


def _sizes(shape: TokenShape) -> dict[str, int]:
    sizes = {"spatial": shape.spatial[1], "temporal": shape.temporal}
    return {kind: size for kind, size in sizes.items() if size}


def _mean(tokens: Tensor, seconds: Tensor) -> Tensor:
    """Return the mean (B, 1, P, D) of the seconds that are there."""
    there = seconds[:, :, None, None]
    return (tokens * there).sum(dim=1, keepdim=True) / there.sum(dim=1, keepdim=True)


def _transformer_layer(size: int) -> nn.Module:
    return nn.TransformerEncoderLayer(
        size, _heads(size), 4 * size, dropout=0.0, activation=_quick_gelu,
        batch_first=True, norm_first=True,
    )  # fmt: skip


def _quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)  # CLIP's own


def _heads(size: int) -> int:
    """Return how many heads of at least 64 numbers divide a token evenly.

    >>> _heads(1024), _heads(352)
    (16, 4)
    """
    return next(n for n in range(max(1, size // _HEAD_SIZE), 0, -1) if size % n == 0)
