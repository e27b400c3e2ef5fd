"""Practice: an LLM that is trained learns to say the level that it is shown, whatever it is shown.

After alignment the projected tokens of a video lie near the words that are true of it. Footage of
another kind gives tokens of another kind; the level words in them still follow the quality, but an
LLM that has only seen the training videos misreads them. So in practice the features of videos are
mixed and disturbed, their tokens exchanged and moved along the level words. What is right to say
of the outcome needs no label: it is the level that the tokens show, `Alignment.shown`.

Source: ours. Mixtures of samples are mixup, arXiv:1710.09412; here they may lie outside of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from llm_head.alignment import Alignment

SHARE = 0.5  # of the videos of a training step, while the other answers are learned
_OUTSIDE = 0.3  # how far a mixture may lie beyond its two videos
_NOISE = 1.5  # most noise that is added to features, in their standard deviations
_EXCHANGED = 0.7  # share of the samples whose tokens are drawn from all of the batch
_SHIFT = 0.3  # of tokens along a level word, in lengths of a word


@dataclass(frozen=True)
class Mixture:
    """Which video each one of a batch is mixed with, int64 (B,), and its own share (B,)."""

    other: Tensor
    share: Tensor

    def within(self, sets: Tensor) -> "Mixture":
        """Return it without the mixtures of two data sets, whose scales differ.

        Args:
            sets: int64 (B,), equal for videos of the same data set.
        """
        own = torch.arange(len(sets), device=sets.device)
        return Mixture(torch.where(sets[self.other] == sets, self.other, own), self.share)


def mixture(count: int, outside: float, device: torch.device) -> Mixture:
    """Draw a mixture of so many videos.

    Args:
        outside: how far shares may lie below 0 and above 1.
    """
    share = torch.rand(count, device=device) * (1 + 2 * outside) - outside
    return Mixture(torch.randperm(count, device=device), share)


def mixed(features: Tensor, seconds: Tensor, drawn: Mixture) -> Tensor:
    """Return the features (B, K, ..., D) of mixed videos; of a shorter one seconds are repeated.

    Args:
        seconds: bool (B, K), which seconds are there.
    """
    most = seconds.shape[1]
    second = torch.arange(most, device=seconds.device) % seconds.sum(1)[drawn.other, None]
    share = _by_video(drawn.share, features)
    return share * features + (1 - share) * features[drawn.other[:, None], second]


def mixed_words(words: Tensor, drawn: Mixture, tasks: Sequence[slice]) -> Tensor:
    """Return what is true of mixed videos, (B, W); unknown where it is for one of the two.

    Args:
        words: from `samples.truth`.
        tasks: which columns belong to a task.
    """
    share = drawn.share[:, None]
    found = share * words + (1 - share) * words[drawn.other]
    for task in tasks:
        known = words[:, task].sum(1) > 0
        found[:, task] *= (known & known[drawn.other])[:, None]
    return found


def disturbed(
    parts: dict[str, Tensor], seconds: Tensor, stds: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Return the features of a batch, each video mixed with another one and disturbed.

    Args:
        parts: by kind, (B, K, ..., D).
        seconds: bool (B, K).
        stds: by kind, the features' standard deviations (D,).
    """
    count, device = len(seconds), seconds.device
    drawn = mixture(count, _OUTSIDE, device)
    strength = torch.rand(count, device=device) * _NOISE
    found = {}
    for kind, part in parts.items():
        lasting = torch.randn(count, part.shape[-1], device=device)
        lasting = lasting.view(count, *(1,) * (part.dim() - 2), part.shape[-1])
        noise = (lasting + 0.5 * torch.randn_like(part)) * stds[kind]
        found[kind] = mixed(part, seconds, drawn) + _by_video(strength, part) * noise
    return found


def _by_video(values: Tensor, features: Tensor) -> Tensor:
    return values.view(-1, *(1,) * (features.dim() - 1))


def moved_tokens(projected: Tensor, seconds: Tensor, alignment: Alignment) -> Tensor:
    """Return the tokens of a batch, exchanged and moved along the level words, as long as before.

    Args:
        projected: (B, K, T, L).
        seconds: bool (B, K).
    """
    count, most, per_second, _ = projected.shape
    device = projected.device
    drawn = torch.randint(count, (count, most, per_second), device=device)
    second = torch.arange(most, device=device)[None, :, None].expand_as(drawn)
    place = torch.arange(per_second, device=device).expand_as(drawn)
    exchanged = torch.rand(count, device=device)[:, None, None] < _EXCHANGED
    own = torch.arange(count, device=device)[:, None, None].expand_as(drawn)
    drawn = torch.where(exchanged & seconds[drawn, second], drawn, own)
    tokens = projected[drawn, second, place]
    shift = _SHIFT * alignment.level_shift(torch.randn(count, 5, device=device))
    moved = tokens + shift[:, None, None]
    lengths = [each.norm(dim=-1, keepdim=True) for each in (tokens, moved)]
    scaled: Tensor = moved * (lengths[0] / lengths[1])
    return scaled
