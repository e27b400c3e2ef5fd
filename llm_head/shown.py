"""What the LLM is shown of a video, before the first question: tokens and, by choice, words."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llm_head.packing import VISUAL, Segment
from llm_head.projector import TokenShape
from llm_head.prompts import Chat
from llm_head.questions import ORDER


class VideoTokens(NamedTuple):
    """The tokens of those seconds of a video that the head reads, and what is said beside them.

    Attributes:
        spatial: float32 (k, P, D).
        temporal: float32 (k, D).
        seconds: of each row, which second of what is shown it is, from 0.
        cue: see `llm_head.cue`; said only where the head's shape has a cue.
    """

    spatial: NDArray[np.float32]
    temporal: NDArray[np.float32]
    seconds: tuple[int, ...]
    cue: str = ""

    def part(self, start: int, length: int) -> "VideoTokens":
        """Return a run of its seconds, counted from 0 again, as for a video of that length."""
        seconds = self.seconds[start : start + length]
        return VideoTokens(
            self.spatial[start : start + length],
            self.temporal[start : start + length],
            tuple(second - seconds[0] for second in seconds),
            self.cue,
        )


def root(chat: Chat, shape: TokenShape, video: VideoTokens) -> Segment:
    """Return the segment that all conversations about a video share.

    It is, for each second, its marker if the head has markers and the places of its projected
    tokens; then the cue, if the head has one. Of a mean over time it is one second's.
    """
    ids: list[int] = []
    for second in video.seconds[:1] if shape.time == "mean" else video.seconds:
        if shape.markers:
            ids += chat.encode(f"\n{second} s:")
        ids += [VISUAL] * shape.per_second
    if shape.cue == "text" and video.cue:
        ids += chat.encode(f"\n{video.cue}")
    return Segment(tuple(ids), parent=None)


def pair_root(chat: Chat, shape: TokenShape, first: VideoTokens, second: VideoTokens) -> Segment:
    """Return the segment of two videos, for questions about both; its tokens are `joined`."""
    assert shape.time == "ordered", "the mean of joined tokens would be one of both videos"
    ids: list[int] = []
    for number, video in zip(ORDER, (first, second), strict=True):
        ids += [*chat.encode(f"\nThe {number} video:"), *root(chat, shape, video).ids]
    return Segment(tuple(ids), parent=None)


def joined(first: VideoTokens, second: VideoTokens) -> VideoTokens:
    """Return the tokens of two videos, one behind the other."""
    return VideoTokens(
        np.concatenate([first.spatial, second.spatial]),
        np.concatenate([first.temporal, second.temporal]),
        first.seconds + second.seconds,
    )


def pad(videos: Sequence[VideoTokens]) -> dict[str, Tensor]:
    """Return the tokens of several videos as one batch.

    Returns:
        spatial (B, K, P, D), temporal (B, K, D), and seconds, bool (B, K): which are there.
    """
    most = max(len(video.spatial) for video in videos)
    seconds = torch.zeros(len(videos), most, dtype=torch.bool)
    for row, video in zip(seconds, videos, strict=True):
        row[: len(video.spatial)] = True
    return {
        "spatial": _stacked([video.spatial for video in videos], most),
        "temporal": _stacked([video.temporal for video in videos], most),
        "seconds": seconds,
    }


def _stacked(arrays: Sequence[NDArray[np.float32]], most: int) -> Tensor:
    stacked = torch.zeros(len(arrays), most, *arrays[0].shape[1:])
    for row, array in zip(stacked, arrays, strict=True):
        row[: len(array)] = torch.from_numpy(array)
    return stacked
