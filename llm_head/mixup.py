"""Mixup: between two videos there is one that is partly each, and so is what is true of it.

A few hundred videos leave gaps between them which a projector fills as it likes; mixtures tell it
to fill them evenly, which helps on footage unlike that of training (docs/decisions.md).

Source: mixup, arXiv:1710.09412, of tokens instead of pictures, with evenly distributed shares (its
alpha is 1).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_head.levels import LEVELS

Tokens = tuple[NDArray[np.float32], NDArray[np.float32]]  # spatial, temporal


@dataclass(frozen=True)
class Shown:
    """What a training step sees of a video.

    Attributes:
        tokens: spatial float32 (k, P, D) and temporal float32 (k, D).
        words: float64 (W,), how true each word of `questions.WORDS` is; all zero for a task of
            which the truth is not known.
        mos: 0-100; NaN if not known.
    """

    tokens: Tokens
    words: NDArray[np.float64]
    mos: float


def blend(a: Shown, b: Shown, share: float) -> Shown:
    """Return a mixture, of as many seconds as the shorter video has.

    Args:
        share: of `a`; the rest is of `b`.

    Returns:
        tokens, words and MOS between both; the level is known only if it is of both.
    """
    seconds = min(len(a.tokens[0]), len(b.tokens[0]))
    spatial, temporal = (
        (share * x[:seconds] + (1 - share) * y[:seconds]).astype(np.float32)
        for x, y in zip(a.tokens, b.tokens, strict=True)
    )
    words = share * a.words + (1 - share) * b.words
    mos = share * a.mos + (1 - share) * b.mos
    if np.isnan(mos):
        words[: len(LEVELS)] = 0
    return Shown((spatial, temporal), words, mos)
