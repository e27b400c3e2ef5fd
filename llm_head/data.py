"""Videos as the head reads them: their conversations, and their tokens from the caches."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_head import questions
from llm_head.instruct import Record
from llm_head.projector import TokenShape
from llm_head.shown import VideoTokens
from pipeline.cache import Kind, TokenCache

Caches = Mapping[Kind, TokenCache]
KINDS: tuple[Kind, ...] = ("spatial", "temporal")


class DataError(ValueError):
    """Tokens are missing or have another shape than the head reads."""


def has_soft_label(record: Record) -> bool:
    # a level without a MOS, in other people's records, is learned as any other text
    return record.task == "level" and record.mos is not None


@dataclass(frozen=True)
class Video:
    """A video's conversations; tokens are read when they are asked for.

    Attributes:
        order_only: of its MOS only its place among the data set's others is learned.
    """

    dataset: str
    video_id: str
    records: tuple[Record, ...]
    order_only: bool = False

    @property
    def mos(self) -> float | None:
        """Return the MOS that its level record carries."""
        return next((record.mos for record in self.records if has_soft_label(record)), None)

    @property
    def mos_std(self) -> float | None:
        """Return the deviation between raters that its level record carries."""
        return next((record.mos_std for record in self.records if has_soft_label(record)), None)

    @property
    def cue(self) -> str:
        """Return the cue that its records carry."""
        return next((record.cue for record in self.records if record.cue), "")


def group(records: Iterable[Record]) -> list[Video]:
    """Return records by video, in the order in which the videos come."""
    videos: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        videos.setdefault((record.dataset, record.video), []).append(record)
    return [Video(*key, tuple(found)) for key, found in videos.items()]


def without_scale(video: Video) -> Video:
    """Return a video that teaches nothing of where on the scale its MOS lies.

    Score and severity, which may be cut from the MOS, are not asked. The level is, for the ranking
    loss reads what is answered; but the same word stands behind the question whatever the MOS is.
    """
    records = []
    for record in video.records:
        if has_soft_label(record):
            turns = record.conversations
            answer = replace(turns[-1], value=questions.level_answer("fair"))
            records.append(replace(record, conversations=(*turns[:-1], answer)))
        elif record.task not in ("score", "level", "severity"):
            records.append(record)
    return replace(video, records=tuple(records), order_only=True)


def token_shape(caches: Caches, video_id: str, tokens: str, time: str, seconds: int) -> TokenShape:
    """Return the shape of the tokens in caches, looking at one video.

    Args:
        tokens: both, spatial or temporal.
        time: ordered or mean.
        seconds: chunks to read at most.
    """
    spatial, temporal = (0, 0), 0
    if tokens != "temporal":
        _, count, size = caches["spatial"].read(video_id).tokens.shape
        spatial = (count, size)
    if tokens != "spatial":
        temporal = caches["temporal"].read(video_id).tokens.shape[1]
    return TokenShape(tokens, time, seconds, spatial, temporal)  # type: ignore[arg-type]


def read_tokens(caches: Caches, video_id: str, shape: TokenShape, cue: str = "") -> VideoTokens:
    """Return what the head is shown of a video; see `choose`.

    Raises:
        DataError: as `choose`.
        CacheError: if the cache does not have the video.
    """
    kinds = KINDS if shape.tokens == "both" else (shape.tokens,)
    tokens = {kind: caches[kind].read(video_id).tokens for kind in kinds}
    return choose(tokens, shape, video_id, cue)


def choose(
    tokens: Mapping[Kind, NDArray[np.floating[Any]]], shape: TokenShape, name: str, cue: str = ""
) -> VideoTokens:
    """Return the seconds of a video's tokens that the head reads, with the video's cue.

    Args:
        tokens: by kind, spatial (K, P, D) and temporal (K, D) of all K seconds.
        name: of the video, for errors.
        cue: of the video, see `llm_head.cue`.

    Returns:
        k seconds, at most shape.seconds; a part that is not read has P or D 0.

    Raises:
        DataError: if the shape differs from `shape`, or the two parts from each other.
    """
    sizes: dict[Kind, tuple[int, ...]] = {"spatial": shape.spatial, "temporal": (shape.temporal,)}
    for kind, array in tokens.items():
        if array.shape[1:] != sizes[kind]:
            raise DataError(
                f"{name}: {kind} tokens are {array.shape[1:]}, the head reads {sizes[kind]}"
            )
    counts = {kind: len(array) for kind, array in tokens.items()}
    if len(set(counts.values())) != 1:
        raise DataError(f"{name}: spatial and temporal seconds differ in number: {counts}")
    seconds = spread(next(iter(counts.values())), shape.seconds)
    parts = []
    for kind, size in sizes.items():
        array = tokens.get(kind, np.zeros((seconds.max() + 1, *size)))[seconds]
        parts.append(array.astype(np.float32))
    return VideoTokens(parts[0], parts[1], tuple(seconds.tolist()), cue)


def spread(available: int, wanted: int) -> NDArray[np.int64]:
    """Return the middle chunk of each of `wanted` equal parts; all if there are not more.

    >>> spread(10, 4)
    array([1, 3, 6, 8])
    """
    if available <= wanted:
        return np.arange(available)
    return ((np.arange(wanted) + 0.5) * available / wanted).astype(np.int64)


def token_names(caches: Caches) -> dict[str, str]:
    """Return a name for the tokens of every video that all caches have; other tokens, other name.

    The name covers the encoders' settings and weights and the video's content.
    """
    first, *others = caches.values()
    names = {}
    for video_id in first.videos:
        if all(video_id in cache for cache in others):
            parts = [f"{c.fingerprint_sha256} {c.videos[video_id]}" for c in caches.values()]
            names[video_id] = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return names
