"""The token cache: one immutable HDF5 file per video and encoder, and an index per folder.

    <folder>/<video_id>.h5   datasets `tokens` (float16) and `pts_s` (float64), attributes below
    <folder>/index.json      fingerprint and list of videos; there only when the folder is whole
    <folder>/failures.csv    videos that have no tokens, and why

The fingerprint holds everything that changes numbers. A file is current if it opens, is complete,
and carries both the fingerprint and the hash of the video it was made from.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.atomic import replacing, write_text

Kind = Literal["spatial", "temporal"]
Fingerprint = Mapping[str, Any]

SCHEMA = 1
INDEX = "index.json"
FAILURES = "failures.csv"
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=@ -]{0,119}")


class CacheError(RuntimeError):
    """A token cache is missing, unfinished, damaged, or was made with other settings."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of one video.

    Attributes:
        tokens: float16, spatial ``(K, P, D)`` or temporal ``(K, D)``.
        pts_s: float64 ``(K,)``, start of each chunk from the first frame, in seconds.
    """

    tokens: NDArray[np.float16]
    pts_s: NDArray[np.float64]


def canonical(fingerprint: Fingerprint) -> str:
    """Return a fingerprint as the one JSON text that is hashed and stored."""
    return json.dumps(fingerprint, sort_keys=True, separators=(",", ":"), allow_nan=False)


def fingerprint_sha256(fingerprint: Fingerprint) -> str:
    """Return the hash that two caches share if and only if their tokens are comparable."""
    return hashlib.sha256(canonical(fingerprint).encode()).hexdigest()


def token_file(folder: Path, video_id: str) -> Path:
    """Return the file of a video's tokens; always inside `folder`, whatever the id.

    Ids come from strangers' tables: slashes make sub-folders, every other unusual character is
    percent-encoded, and what is too long for a file name ends in a hash.

    >>> token_file(Path("c"), "batch1/0042").as_posix()
    'c/batch1/0042.h5'
    >>> token_file(Path("c"), "../../etc/passwd").as_posix()
    'c/%2E%2E/%2E%2E/etc/passwd.h5'
    """
    return folder / token_name(video_id)


def token_name(video_id: str) -> str:
    """Return the file of a video's tokens relative to its cache, with `/`; cheap, unlike a Path.

    >>> token_name("batch1/0042")
    'batch1/0042.h5'
    """
    return "/".join(_component(part) for part in video_id.split("/")) + ".h5"


def _component(part: str) -> str:
    if _PLAIN.fullmatch(part):
        return part
    safe = quote(part.encode("utf-8", "surrogateescape"), safe="").replace(".", "%2E") or "%"
    safe = safe.replace("-", "%2D") if safe.startswith("-") else safe
    if len(safe) <= 180:
        return safe
    return f"{safe[:100]}%{hashlib.sha256(part.encode('utf-8', 'surrogateescape')).hexdigest()}"


def write_tokens(path: Path, tokens: Tokens, fingerprint: Fingerprint, video_sha256: str) -> None:
    """Write one video's tokens; the file appears whole or not at all, and is never changed again.

    Args:
        path: from `token_file`.
        tokens: at least one chunk, all finite.
        fingerprint: of the encoder and all that goes before it.
        video_sha256: content hash of the video file, 64 hex digits.

    Raises:
        CacheError: if the tokens are empty or not finite, or do not read back as written.
        OSError: if the folder cannot be written, with the system's own reason in `errno`.
    """
    array = tokens.tokens
    if array.ndim not in (2, 3) or array.shape[0] < 1 or array.dtype != np.float16:
        raise CacheError(f"{path}: tokens are {array.dtype} {array.shape}; wanted float16 (K, ...)")
    if tokens.pts_s.shape != array.shape[:1]:
        raise CacheError(f"{path}: {tokens.pts_s.shape} times for tokens of {array.shape}")
    if not np.isfinite(array).all():
        raise CacheError(f"{path}: {int((~np.isfinite(array)).sum())} tokens are not finite")
    image = _image(tokens, fingerprint, video_sha256)
    with replacing(path) as tmp:
        tmp.write_bytes(image)
        if not np.array_equal(_read(tmp).tokens, array):
            raise CacheError(f"{path}: does not read back as written; check the disk")


def _image(tokens: Tokens, fingerprint: Fingerprint, video_sha256: str) -> bytes:
    """Return the bytes of a token file, made in memory.

    HDF5 does not survive a disk that fills up under it: the process crashes at its next use. So
    HDF5 writes to memory, and only a plain write, which fails cleanly, meets the disk.
    """
    with h5py.File("tokens.h5", "w", driver="core", backing_store=False) as file:
        array = tokens.tokens
        # one chunk of the file per chunk of video: a reader of one second reads one second
        file.create_dataset(
            "tokens", data=array, chunks=(1, *array.shape[1:]), fletcher32=True
        ).flush()
        # space is given out when data is flushed; left to the moment when Python drops the
        # dataset, the same tokens would now and then lie elsewhere in the file
        file.create_dataset("pts_s", data=tokens.pts_s.astype(np.float64)).flush()
        file.attrs["schema"] = SCHEMA
        file.attrs["fingerprint"] = canonical(fingerprint)
        file.attrs["fingerprint_sha256"] = fingerprint_sha256(fingerprint)
        file.attrs["video_sha256"] = video_sha256
        file.attrs["h5py"] = h5py.__version__
        file.attrs["complete"] = True
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


def stale_reason(path: Path, fingerprint_sha256: str, video_sha256: str) -> str | None:
    """Return why a video's file cannot be used, or None if it is current.

    All of the file is read, so that its checksums are compared.
    """
    if not path.exists():
        return "not encoded yet"
    try:
        with h5py.File(path, "r", locking=False) as file:
            attributes = dict(file.attrs)
            whole = "tokens" in file and "pts_s" in file
            if whole:
                file["tokens"][()], file["pts_s"][()]
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError):
        return "the file is damaged"
    if not whole or not attributes.get("complete") or attributes.get("schema") != SCHEMA:
        return "the file is incomplete or of another schema"
    if attributes.get("fingerprint_sha256") != fingerprint_sha256:
        return "made with other settings or weights"
    if attributes.get("video_sha256") != video_sha256:
        return "the video has changed"
    return None


def write_index(folder: Path, fingerprint: Fingerprint, videos: Mapping[str, str]) -> None:
    """Write the folder's index, last of all.

    Args:
        folder: of the cache.
        fingerprint: that all files share.
        videos: id to content sha256, of every video that has tokens.
    """
    index = {
        "schema": SCHEMA,
        "fingerprint": dict(fingerprint),
        "fingerprint_sha256": fingerprint_sha256(fingerprint),
        "videos": dict(sorted(videos.items())),
    }
    write_text(folder / INDEX, json.dumps(index, indent=1, sort_keys=True) + "\n")


class TokenCache:
    """A finished cache, for reading. Holds no file handle, so it can be forked and pickled."""

    def __init__(self, folder: Path) -> None:
        """Read the index.

        Raises:
            CacheError: if there is none (extraction has not finished), or it cannot be read.
        """
        self.folder = folder
        path = folder / INDEX
        if not path.is_file():
            raise CacheError(
                f"{path}: missing, so the cache is not finished; run its stage, for example "
                f"`lmm-vqa {folder.name} {folder.parent.name}`"
            )
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
            if index["schema"] != SCHEMA:
                raise CacheError(f"{path}: schema {index['schema']}; wanted {SCHEMA}; re-run")
            self.fingerprint: dict[str, Any] = index["fingerprint"]
            self.fingerprint_sha256: str = index["fingerprint_sha256"]
            self.videos: dict[str, str] = index["videos"]
        except (KeyError, TypeError, ValueError) as error:
            raise CacheError(f"{path}: not an index of this project: {error!r}") from error

    @property
    def random(self) -> bool:
        """Say whether the encoder had random weights; whatever comes of it must say so too."""
        return bool(self.fingerprint["random"])

    def __contains__(self, video_id: object) -> bool:
        return video_id in self.videos

    def read(self, video_id: str) -> Tokens:
        """Return a video's tokens.

        Raises:
            CacheError: if the video is not in the cache, or its file is damaged.
        """
        if video_id not in self.videos:
            raise CacheError(f"{self.folder}: no tokens of {video_id!r}; see {FAILURES} there")
        path = token_file(self.folder, video_id)
        try:
            return _read(path)
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise CacheError(
                f"{path}: damaged ({error}); delete it and run the stage again"
            ) from error


def _read(path: Path) -> Tokens:
    with h5py.File(path, "r", locking=False) as file:
        return Tokens(tokens=file["tokens"][()], pts_s=file["pts_s"][()])
