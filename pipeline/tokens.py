"""The token file: one video's tokens in one HDF5 file that never changes once it is there.

Every byte that is read has a checksum: HDF5's own for metadata (format 1.10 and later, attributes
of fixed length, so that they lie in the metadata) and for both datasets (fletcher32), and a SHA-256
over the content, which `lmm-vqa cache verify` checks. docs/cache.md has the format in full.
"""

import hashlib
import json
import math
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5f, h5l, h5p, h5s, h5t
from numpy.typing import NDArray

from pipeline.atomic import replacing

Fingerprint = Mapping[str, Any]

SCHEMA = 3
_FORMAT = ("v110", "v110")  # the oldest whose metadata has checksums throughout
BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError)
_TEXTS = ("fingerprint", "fingerprint_sha256", "video_sha256", "content_sha256", "libraries")
_WRITERS = {"h5py": h5py.__version__, "hdf5": h5py.version.hdf5_version}
_DAMAGED = "the file is damaged"
_OTHER = "the file is incomplete or of another schema"
NOT_YET = "not encoded yet"
SETTINGS = "made with other settings or weights"
REPLACED = "the video has changed"


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


def content_sha256(tokens: Tokens, fingerprint_sha256: str, video_sha256: str) -> str:
    """Return the hash over all that a token file says: numbers, times, settings and video."""
    head = [SCHEMA, fingerprint_sha256, video_sha256, list(tokens.tokens.shape)]
    digest = hashlib.sha256(json.dumps(head).encode())
    digest.update(np.ascontiguousarray(tokens.tokens, "<f2").data)
    digest.update(np.ascontiguousarray(tokens.pts_s, "<f8").data)
    return digest.hexdigest()


def write_tokens(
    path: Path,
    tokens: Tokens,
    fingerprint: Fingerprint,
    video_sha256: str,
    libraries: Mapping[str, str] | None = None,
) -> None:
    """Write one video's tokens; the file appears whole or not at all, and is never changed again.

    Args:
        path: from `token_file`.
        tokens: at least one chunk, all finite.
        fingerprint: of the encoder and all that goes before it.
        video_sha256: content hash of the video file, 64 hex digits.
        libraries: name to version of what made the tokens; those that write are added.

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
    image = _image(tokens, fingerprint, video_sha256, {**_WRITERS, **(libraries or {})})
    with replacing(path) as tmp:
        tmp.write_bytes(image)
        del image  # as large as the tokens, of which the check reads another copy
        if check_file(tmp):  # its hash is that of the tokens given
            raise CacheError(f"{path}: does not read back as written; check the disk")


def _image(
    tokens: Tokens, fingerprint: Fingerprint, video_sha256: str, libraries: Mapping[str, str]
) -> bytes:
    """Return the bytes of a token file, made in memory.

    HDF5 does not survive a disk that fills up under it: the process crashes at its next use. So
    HDF5 writes to memory, and only a plain write, which fails cleanly, meets the disk.
    """
    settings = fingerprint_sha256(fingerprint)
    texts = {
        "fingerprint": canonical(fingerprint),
        "fingerprint_sha256": settings,
        "video_sha256": video_sha256,
        "content_sha256": content_sha256(tokens, settings, video_sha256),
        "libraries": canonical(libraries),
    }
    memory = {"driver": "core", "backing_store": False}
    name = f"tokens of thread {threading.get_ident()}"  # HDF5 knows files by name, in memory too
    with h5py.File(name, "w", libver=_FORMAT, **memory) as file:
        # one chunk of the file per chunk of video: a reader of one second reads one second
        for name, data, chunk in (
            ("tokens", tokens.tokens, (1, *tokens.tokens.shape[1:])),
            ("pts_s", tokens.pts_s.astype(np.float64), tokens.pts_s.shape),
        ):
            # space is given out when data is flushed; left to the moment when Python drops the
            # dataset, the same tokens would now and then lie elsewhere in the file
            file.create_dataset(name, data=data, chunks=chunk, fletcher32=True).flush()
        file.attrs["schema"] = SCHEMA
        for name, text in texts.items():
            # a str would be of variable length and lie in a heap that has no checksum
            file.attrs[name] = np.bytes_(text.encode())
        file.attrs["complete"] = True
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


def stale_reason(path: Path, fingerprint_sha256: str, video_sha256: str) -> str | None:
    """Return why a video's file cannot be used, or None if it is current.

    All of the file is read, so that its checksums are compared.
    """
    if not path.exists():
        return NOT_YET
    found = check_file(path, fingerprint_sha256, video_sha256)
    return found if found is None or found in (_OTHER, SETTINGS, REPLACED) else _DAMAGED


def check_file(
    path: Path, fingerprint_sha256: str | None = None, video_sha256: str | None = None
) -> str | None:
    """Return what is wrong with a token file, reading all of it; None if nothing is.

    Finds whatever `TokenCache.read` would refuse, numbers that are not finite, and content that is
    not what was written.

    Args:
        fingerprint_sha256: that it must carry; None: any.
        video_sha256: likewise.
    """
    try:
        with _opened(path) as file:
            if reason := _head_reason(file, fingerprint_sha256, video_sha256):
                return reason
            tokens = Tokens(_numbers(file, "tokens", "<f2"), _numbers(file, "pts_s", "<f8"))
            said = {name: _text(file, name) for name in _TEXTS}
    except (*BROKEN, MemoryError) as error:
        return f"{_DAMAGED} ({error})"
    settings = said["fingerprint_sha256"]
    if hashlib.sha256(said["fingerprint"].encode()).hexdigest() != settings:
        return "its fingerprint is not the one that its hash is of"
    return check_content(tokens, settings, said["video_sha256"], said["content_sha256"])


def check_content(tokens: Tokens, fingerprint_sha256: str, video: str, wanted: str) -> str | None:
    """Return what is wrong with tokens of which the content hash is known; None if nothing is."""
    if content_sha256(tokens, fingerprint_sha256, video) != wanted:
        return "the content is not what was written"
    if not np.isfinite(tokens.tokens).all() or not np.isfinite(tokens.pts_s).all():
        return "holds numbers that are not finite"
    return None


@contextmanager
def _opened(path: Path) -> Iterator[h5f.FileID]:
    # HDF5's own calls: h5py's objects on top of them take half the time of a small read
    file = h5f.open(os.fsencode(path), h5f.ACC_RDONLY, _ACCESS)
    try:
        yield file
    finally:
        file.close()


def file_shape(path: Path) -> tuple[int, ...]:
    """Return the shape of a file's tokens without reading them."""
    with _opened(path) as file:
        return tuple(int(size) for size in h5d.open(file, b"tokens").shape)


def file_libraries(path: Path) -> dict[str, str]:
    """Return name and version of the libraries that a file's tokens come from."""
    with _opened(path) as file:
        found = json.loads(_text(file, "libraries"))
    return {str(name): str(version) for name, version in found.items()}


def _access() -> h5p.PropFAID:
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    access.set_file_locking(False, True)  # files never change; NFS may have no locks
    return access


_ACCESS = _access()


def _head_reason(
    file: h5f.FileID, fingerprint_sha256: str | None, video_sha256: str | None
) -> str | None:
    number = np.zeros((), np.int64)
    for name, wanted in ((b"schema", SCHEMA), (b"complete", 1)):
        if not h5a.exists(file, name):
            return _OTHER
        h5a.open(file, name).read(number)
        if number != wanted:
            return _OTHER
    if not all(file.links.exists(name) for name in (b"tokens", b"pts_s")):
        return _OTHER
    if fingerprint_sha256 is not None and _text(file, "fingerprint_sha256") != fingerprint_sha256:
        return SETTINGS
    if video_sha256 is not None and _text(file, "video_sha256") != video_sha256:
        return REPLACED
    return None


def _text(file: h5f.FileID, name: str) -> str:
    attribute = h5a.open(file, name.encode())
    kind = attribute.get_type()
    if kind.get_class() != h5t.STRING or kind.is_variable_str() or attribute.shape != ():
        raise ValueError(f"attribute {name} is not a text")
    value = np.empty((), f"S{kind.get_size()}")
    attribute.read(value)
    return bytes(value.item()).decode()


def _numbers(file: h5f.FileID, name: str, dtype: str) -> NDArray[Any]:
    """Read a dataset, refusing what this project does not write: other types, layouts, links.

    A stranger's file could claim terabytes, or be a window on another file of this machine.
    """
    if file.links.get_info(name.encode()).type != h5l.TYPE_HARD:
        raise ValueError(f"{name} is a link to elsewhere")
    data = h5d.open(file, name.encode())
    layout = data.get_create_plist()
    if data.dtype != np.dtype(dtype) or layout.get_layout() != h5d.CHUNKED:
        raise ValueError(f"{name} is {data.dtype} of another layout; wanted {dtype}")
    size = math.prod(data.shape) * data.dtype.itemsize
    if not 0 < size <= data.get_storage_size() <= file.get_filesize():
        raise ValueError(f"{name} claims {size} bytes, the file holds {data.get_storage_size()}")
    array = np.empty(data.shape, data.dtype)
    data.read(h5s.ALL, h5s.ALL, array)
    return array


def read_file(path: Path, wanted: tuple[str, str] | None) -> Tokens:
    """Read a file; `wanted`: the hashes of settings and video that it must carry."""
    with _opened(path) as file:
        if wanted and (reason := _head_reason(file, *wanted)):
            raise ValueError(reason)
        return Tokens(_numbers(file, "tokens", "<f2"), _numbers(file, "pts_s", "<f8"))
