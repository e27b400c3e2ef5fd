"""One video to its token files: what a worker does. A call makes whole files or none."""

import functools
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline import cluster, video
from pipeline.allocator import keep_freed_memory
from pipeline.cache import CacheError, Kind, Tokens, token_file, write_tokens
from pipeline.decoder import Decoder
from pipeline.hardware import HardwareError
from pipeline.journal import Stamp, stamp
from pipeline.libraries import libraries
from pipeline.settings import RunSettings, SpatialSettings, TemporalSettings
from pipeline.storage import StorageError, storage
from pipeline.video import VideoError


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


@dataclass(frozen=True, slots=True)
class Video:
    """A manifest row as a worker needs it; `duration_s` is stated by the file, 0 if it is not."""

    video_id: str
    path: Path
    sha256: str
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """A video and the caches that want it, each with the fingerprint that its tokens must have.

    `root` is the folder that paths of the manifest start from; workers start elsewhere.
    """

    root: Path
    video: Video
    targets: tuple[Target, ...]
    fingerprints: tuple[dict[str, Any], ...]

    @property
    def clip_frames(self) -> int:
        """Instants per chunk that must be decoded; 0: key frames only."""
        return max(target.clip_frames for target in self.targets)

    @property
    def consecutive(self) -> bool:
        """Whether clips are consecutive frames."""
        return any(target.consecutive for target in self.targets)


@dataclass(frozen=True)
class Record:
    """What became of one video.

    Attributes:
        video_id: whose it is.
        chunks: how many were encoded; 0 if it failed.
        seconds: that it took.
        stamps: of the files written, one per target of the job.
        failure: why there are none.
        stage: where it failed: decode, encode, or worker (which died with it).
    """

    video_id: str
    chunks: int = 0
    seconds: float = 0.0
    stamps: tuple[Stamp, ...] = ()
    failure: str | None = None
    stage: str = ""


class WorkerError(RuntimeError):
    """A worker would make other tokens than were asked for."""


def encode_video(job: Job, run: RunSettings) -> Record:
    """Decode a video once, encode it for every target and write the token files.

    Whatever is wrong with the video becomes the record's failure; nothing is written then.

    Raises:
        StorageError: if the tokens cannot be written.
        WorkerError: if this process has other weights or another version than the plan.
        HardwareError: if `run` wants a GPU to decode, and it cannot.
    """
    started = time.perf_counter()
    encoders = [_agreed(*pair, run) for pair in zip(job.targets, job.fingerprints, strict=True)]
    path, stage = job.root / job.video.path, "decode"
    rows: list[list[NDArray[np.float16]]] = [[] for _ in encoders]
    pts_s: list[float] = []
    try:
        with closing(_decoder().chunks(path, job.clip_frames, run, job.consecutive)) as chunks:
            for chunk in chunks:
                stage = "encode"
                pts_s.append(chunk.start_s)
                for target, encode, row in zip(job.targets, encoders, rows, strict=True):
                    row.append(encode([chunk.clip if target.clip_frames else chunk.key_frame]))
                stage = "decode"
        stage = "encode"
        made = [Tokens(_whole(row), np.array(pts_s)) for row in rows]
        stamps = tuple(
            _write(target, job.video, tokens, wanted)
            for target, tokens, wanted in zip(job.targets, made, job.fingerprints, strict=True)
        )
    except (StorageError, HardwareError):
        raise
    except Exception as error:  # a stranger's file: whatever it brings about costs itself only
        known = isinstance(error, VideoError | CacheError)
        reason = (str(error) if known else f"{path}: {error!r}").replace(f"{job.root}/", "")
        took_s = time.perf_counter() - started
        return Record(job.video.video_id, seconds=took_s, failure=reason, stage=stage)
    return Record(job.video.video_id, len(pts_s), time.perf_counter() - started, stamps)


def _whole(row: list[NDArray[np.float16]]) -> NDArray[np.float16]:
    """Return the tokens of all chunks as one array, and forget the parts: hours have gigabytes."""
    whole = np.concatenate(row)
    row.clear()
    return whole


def _agreed(target: Target, wanted: dict[str, Any], run: RunSettings) -> Encoder:
    """Return the encoder, if its tokens will be those that the plan speaks of."""
    found = encoder(target.settings, cluster.device(run))
    made = fingerprint(target.settings, found)
    if made != wanted:
        differing = sorted(k for k in made | wanted if made.get(k) != wanted.get(k))
        raise WorkerError(
            f"worker {socket.gethostname()} makes other {target.kind} tokens than were planned: "
            f"{', '.join(differing)} differ; give it the same code, weights and libraries"
        )
    return found


def _write(target: Target, item: Video, tokens: Tokens, made: dict[str, Any]) -> Stamp:
    path = token_file(target.folder, item.video_id)
    if not target.folder.is_dir():
        raise StorageError(
            f"{target.folder}: worker {socket.gethostname()} does not see this folder; all "
            "machines must have it under the same path"
        )
    with storage(target.folder):
        write_tokens(path, tokens, made, item.sha256, libraries())
        return stamp(path.stat())


_own = threading.local()  # a process may run several tasks at a time


def _decoder() -> Decoder:
    """Return this thread's decoder: one process, kept from video to video."""
    if not hasattr(_own, "decoder"):
        _own.decoder = Decoder()
    found: Decoder = _own.decoder
    return found


def fingerprint(settings: SpatialSettings | TemporalSettings, encode: Encoder) -> dict[str, Any]:
    """Return the encoder's fingerprint with what the pipeline adds: how frames are chosen."""
    frames = settings.frames if isinstance(settings, TemporalSettings) else 1
    sampling: dict[str, Any] = {"version": video.VERSION, "chunk_s": video.CHUNK_S}
    sampling["frames"] = frames
    if isinstance(settings, TemporalSettings) and settings.clip != "spread":
        sampling["clip"] = settings.clip
    return {**encode.fingerprint, "random": encode.random, "sampling": sampling}


def wanted_fingerprint(target: Target, run: RunSettings) -> dict[str, Any]:
    """Return the fingerprint that a cache's tokens will have; the encoder is built for it."""
    return fingerprint(target.settings, encoder(target.settings, cluster.device(run)))


def encoder(settings: SpatialSettings | TemporalSettings, device: str) -> Encoder:
    """Return an encoder, built once per process.

    On a CPU it runs on one thread: with two, sums are added in another order, and now and then the
    last bit of a token differs. Videos run side by side instead, one per core.
    """
    torch.set_num_threads(1)  # a number of each thread that calls
    with _building:
        return _built(settings, device)


_building = threading.Lock()


@functools.cache
def _built(settings: SpatialSettings | TemporalSettings, device: str) -> Encoder:
    keep_freed_memory()
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
