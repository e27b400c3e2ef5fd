"""One video to its token files: what a worker does. A call makes whole files or none."""

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline import consecutive, video
from pipeline.cache import Kind, Tokens, token_file, write_tokens
from pipeline.settings import SpatialSettings, TemporalSettings


class Encoder(Protocol):
    """What an encoder of `encoders/` is to the pipeline.

    Called with uint8 RGB arrays, key frames ``(H, W, 3)`` or clips ``(T, H, W, 3)``, it returns
    float16 tokens, one row per array.
    """

    @property
    def fingerprint(self) -> dict[str, Any]: ...

    @property
    def random(self) -> bool: ...

    def __call__(self, inputs: Sequence[NDArray[np.uint8]], /) -> NDArray[np.float16]: ...


@dataclass(frozen=True)
class Target:
    """A cache to fill: which encoder, with which settings, into which folder."""

    settings: SpatialSettings | TemporalSettings
    folder: Path

    @property
    def kind(self) -> Kind:
        return "spatial" if isinstance(self.settings, SpatialSettings) else "temporal"

    @property
    def clip_frames(self) -> int:
        """Instants per chunk that the encoder reads; 0 for key frames."""
        return self.settings.frames if isinstance(self.settings, TemporalSettings) else 0

    @property
    def consecutive(self) -> bool:
        """Whether clips are consecutive frames rather than spread over the second."""
        return isinstance(self.settings, TemporalSettings) and self.settings.clip == "consecutive"


@dataclass(frozen=True)
class Video:
    """A manifest row as a worker needs it."""

    video_id: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class Record:
    """What became of one video: chunks encoded, or the reason why not."""

    video_id: str
    chunks: int
    seconds: float
    failure: str | None = None


def encode_video(item: Video, targets: tuple[Target, ...], device: str, threads: int) -> Record:
    """Decode a video once, encode it for every target and write the token files.

    Whatever is wrong with the video becomes the record's failure; nothing is written then.
    """
    started = time.perf_counter()
    try:
        encoders = [encoder(target.settings, device, threads) for target in targets]
        tokens: list[list[NDArray[np.float16]]] = [[] for _ in targets]
        pts_s: list[float] = []
        wanted = max(target.clip_frames for target in targets)
        in_a_row = any(target.consecutive for target in targets)
        decoded = (consecutive.chunks if in_a_row else video.chunks)(item.path, wanted)
        for chunk in decoded:
            pts_s.append(chunk.start_s)
            for target, encode, rows in zip(targets, encoders, tokens, strict=True):
                rows.append(encode([chunk.clip if target.clip_frames else chunk.key_frame]))
        for target, encode, rows in zip(targets, encoders, tokens, strict=True):
            write_tokens(
                token_file(target.folder, item.video_id),
                Tokens(np.concatenate(rows), np.array(pts_s)),
                fingerprint(target.settings, encode),
                item.sha256,
            )
    except (video.VideoError, av.FFmpegError, MemoryError) as error:
        return Record(item.video_id, 0, time.perf_counter() - started, str(error) or repr(error))
    return Record(item.video_id, len(pts_s), time.perf_counter() - started)


def fingerprint(settings: SpatialSettings | TemporalSettings, encode: Encoder) -> dict[str, Any]:
    """Return the encoder's fingerprint with what the pipeline adds: how frames are chosen."""
    frames = settings.frames if isinstance(settings, TemporalSettings) else 1
    sampling: dict[str, Any] = {"version": video.VERSION, "chunk_s": video.CHUNK_S}
    sampling["frames"] = frames
    if isinstance(settings, TemporalSettings) and settings.clip != "spread":
        sampling["clip"] = settings.clip
    return {**encode.fingerprint, "random": encode.random, "sampling": sampling}


@functools.cache
def encoder(settings: SpatialSettings | TemporalSettings, device: str, threads: int) -> Encoder:
    """Build an encoder, once per process."""
    torch.set_num_threads(threads)
    # imported here, so that a worker loads only the library of the encoder it runs
    if isinstance(settings, SpatialSettings):
        from encoders.spatial import SpatialEncoder

        return SpatialEncoder(**settings.model_dump(), device=device)
    if settings.model == "i3d":
        from encoders.i3d import I3DEncoder

        return I3DEncoder(
            **settings.model_dump(exclude={"model", "pathway", "clip"}), device=device
        )
    from encoders.temporal import SlowFastEncoder

    return SlowFastEncoder(
        **settings.model_dump(exclude={"model", "layers", "clip"}), device=device
    )
