"""Shards: the tokens of many videos in one immutable safetensors file of about a gigabyte.

A shard describes itself: of video I it has the tensors `I/tokens` and `I/pts_s`, and its metadata
entry `lmm_vqa` has the fingerprint's hash and, per video, the hashes of video and content, a CRC-32
of the two tensors and which libraries made them. Its name, `shard-<16 hex>.safetensors`, is the
hash of that entry. Any safetensors reader opens it. To read a video, the shard is opened, one
`preadv` fills each tensor, and the checksum is compared.
"""

import hashlib
import json
import logging
import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from isal.isal_zlib import crc32  # zlib's, ten times as fast; half of a read was the checksum
from numpy.typing import NDArray
from safetensors.numpy import save_file

from pipeline.atomic import replacing

PREFIX, SUFFIX = "shard-", ".safetensors"
SCHEMA = 2
MAX_HEAD_BYTES = 100_000_000  # safetensors' own limit
_KEY = "lmm_vqa"

log = logging.getLogger(__name__)


class ShardError(RuntimeError):
    """A shard is damaged, or no shard of this project."""


@dataclass(frozen=True)
class Place:
    """Where the tokens of one video lie.

    Attributes:
        shard: file name in the cache's folder.
        tokens_at: offset of the tokens in the file, in bytes.
        pts_at: offset of the times.
        shape: of the tokens.
        crc32: of the tokens' bytes followed by the times'.
        libraries: name to version of what made the tokens.
    """

    shard: str
    tokens_at: int
    pts_at: int
    shape: tuple[int, ...]
    crc32: int
    video_sha256: str
    content_sha256: str
    libraries: Mapping[str, str]

    @property
    def size_bytes(self) -> int:
        return 2 * math.prod(self.shape) + 8 * self.shape[0]


@dataclass(frozen=True)
class Entry:
    """One video to be packed: its tokens and what is known of them."""

    tokens: NDArray[np.float16]
    pts_s: NDArray[np.float64]
    video_sha256: str
    content_sha256: str
    libraries: Mapping[str, str]


def listed(folder: Path) -> list[Path]:
    """Return the shards of a cache, in the order of their names."""
    return sorted(folder.glob(f"{PREFIX}*{SUFFIX}"))


def places(folder: Path, fingerprint_sha256: str) -> dict[tuple[str, str], Place]:
    """Return where the tokens lie that the shards of one fingerprint hold, by id and video's hash.

    The same id and hash in two shards (a packing was killed before it removed the old one) is the
    same content. A replaced video may be in two with different hashes.

    Raises:
        ShardError: if a shard's head cannot be read.
    """
    found: dict[tuple[str, str], Place] = {}
    for path in listed(folder):
        settings, here = head(path)
        if settings == fingerprint_sha256:
            found |= {(video, place.video_sha256): place for video, place in here.items()}
    return found


def remove_others(folder: Path, fingerprint_sha256: str) -> None:
    """Remove the shards of other settings; nothing can read them any more."""
    for path in listed(folder):
        if head(path)[0] != fingerprint_sha256:
            log.info("removed %s", path)
            path.unlink()


def head(path: Path) -> tuple[str, dict[str, Place]]:
    """Return a shard's fingerprint hash and where its videos lie; reads no tokens.

    Raises:
        ShardError: if it is damaged, or no shard of this project.
    """
    try:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if size > MAX_HEAD_BYTES:
                raise ShardError(f"{path}: a head of {size} bytes; this is not a shard")
            tensors: dict[str, Any] = json.loads(file.read(size))
            end = os.fstat(file.fileno()).st_size
        about = json.loads(tensors.pop("__metadata__")[_KEY])
        if about["schema"] != SCHEMA:
            raise ShardError(f"{path}: shard schema {about['schema']}; wanted {SCHEMA}")
        start = 8 + size
        return about["fingerprint_sha256"], {
            video_id: _place(path, end, start, video_id, tensors, about, facts)
            for video_id, facts in about["videos"].items()
        }
    except (
        OSError,
        struct.error,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as error:
        raise ShardError(
            f"{path}: damaged, or not a shard of this project ({error!r}); `lmm-vqa cache verify "
            f"{path.parent.parent.name}/{path.parent.name} --discard` removes it"
        ) from error


def _place(
    path: Path,
    end: int,
    start: int,
    video_id: str,
    tensors: dict[str, Any],
    about: dict[str, Any],
    facts: dict[str, Any],
) -> Place:
    tokens, pts = tensors[f"{video_id}/tokens"], tensors[f"{video_id}/pts_s"]
    place = Place(
        path.name,
        start + int(tokens["data_offsets"][0]),
        start + int(pts["data_offsets"][0]),
        tuple(int(size) for size in tokens["shape"]),
        facts["crc32"],
        facts["video_sha256"],
        facts["content_sha256"],
        dict(about["libraries"][facts["libraries"]]),
    )
    chunks = place.shape[0]
    stops = place.tokens_at + place.size_bytes - 8 * chunks, place.pts_at + 8 * chunks
    if (tokens["dtype"], pts["dtype"]) != ("F16", "F64") or pts["shape"] != [chunks]:
        raise ShardError(f"{path}: {video_id!r} has {tokens['dtype']} tokens; wanted F16 and F64")
    if min(place.shape, default=0) < 1 or not start <= place.pts_at or max(stops) > end:
        raise ShardError(f"{path}: {video_id!r} lies outside the file, which is truncated")
    return place


def read(path: Path | str, place: Place) -> tuple[NDArray[np.float16], NDArray[np.float64]]:
    """Return a video's tokens and times, in memory of their own.

    The file is opened for each read, so one that was replaced since is seen, and not mapped: a
    mapped file that is cut short, or a disk that fails, would end the process without a word.

    Raises:
        OSError: if the file cannot be read.
        ShardError: if it does not hold what was written.
    """
    tokens, pts_s = np.empty(place.shape, "<f2"), np.empty(place.shape[:1], "<f8")
    handle = os.open(path, os.O_RDONLY)
    try:
        _fill(handle, tokens, place.tokens_at)
        _fill(handle, pts_s, place.pts_at)
    finally:
        os.close(handle)
    if crc32(pts_s, crc32(tokens)) != place.crc32:
        raise ShardError("the checksum differs")
    return tokens, pts_s


def _fill(handle: int, array: NDArray[Any], at: int) -> None:
    done = os.preadv(handle, [array.data], at)
    while done < array.nbytes:  # Linux reads at most 2 GiB at once
        count = os.preadv(handle, [array.reshape(-1).view(np.uint8)[done:].data], at + done)
        if count == 0:
            raise ShardError("the file ends too early")
        done += count


def write(folder: Path, entries: Mapping[str, Entry], fingerprint_sha256: str) -> Path:
    """Write a shard, synced and read back; the same entries give the same bytes and name.

    Args:
        entries: by video id; all are in memory at once.

    Raises:
        ShardError: if it does not read back as written.
    """
    tensors: dict[str, NDArray[Any]] = {}
    videos = {}
    # a whole shard comes from the same libraries as a rule: each set of them is written once
    made_with = [dict(pairs) for pairs in sorted({_sorted(e.libraries) for e in entries.values()})]
    for video_id, entry in sorted(entries.items()):
        tokens = np.ascontiguousarray(entry.tokens, "<f2")
        pts_s = np.ascontiguousarray(entry.pts_s, "<f8")
        tensors |= {f"{video_id}/tokens": tokens, f"{video_id}/pts_s": pts_s}
        videos[video_id] = {
            "crc32": crc32(pts_s, crc32(tokens)),
            "video_sha256": entry.video_sha256,
            "content_sha256": entry.content_sha256,
            "libraries": made_with.index(dict(entry.libraries)),
        }
    about = {
        "schema": SCHEMA,
        "fingerprint_sha256": fingerprint_sha256,
        "libraries": made_with,
        "videos": videos,
    }
    # one entry: the library keeps metadata in a hash map, so the order of several would vary
    metadata = {_KEY: json.dumps(about, sort_keys=True)}
    name = hashlib.sha256(metadata[_KEY].encode()).hexdigest()[:16]
    path = folder / f"{PREFIX}{name}{SUFFIX}"
    with replacing(path) as tmp:
        save_file(tensors, tmp, metadata=metadata)
        _check(tmp, entries)
    return path


def _sorted(libraries: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(libraries.items()))


def _check(path: Path, entries: Mapping[str, Entry]) -> None:
    _, found = head(path)
    for video_id, entry in entries.items():
        tokens, pts_s = read(path, found[video_id])
        if tokens.tobytes() != entry.tokens.tobytes() or pts_s.tobytes() != entry.pts_s.tobytes():
            raise ShardError(f"{path}: does not read back as written; check the disk")
