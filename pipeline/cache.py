"""The token cache: one immutable HDF5 file per video and encoder, and an index per folder.

    <folder>/<video_id>.h5   datasets `tokens` (float16) and `pts_s` (float64), attributes below
    <folder>/index.json      fingerprint and list of videos; there only when the folder is whole
    <folder>/failures.csv    videos that have no tokens, and why
    <folder>/shard-*.safetensors    instead of files, after `lmm-vqa cache pack`

The fingerprint holds everything that changes numbers. A file is current if it opens, is complete,
and carries both the fingerprint and the hash of the video it was made from.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pipeline import shards
from pipeline.atomic import write_text
from pipeline.tokens import (
    BROKEN,
    SCHEMA,
    CacheError,
    Fingerprint,
    Tokens,
    canonical,
    check_content,
    check_file,
    content_sha256,
    file_libraries,
    file_shape,
    fingerprint_sha256,
    read_file,
    stale_reason,
    write_tokens,
)

__all__ = [
    "FAILURES",
    "INDEX",
    "SCHEMA",
    "CacheError",
    "Fingerprint",
    "Kind",
    "TokenCache",
    "Tokens",
    "canonical",
    "content_sha256",
    "fingerprint_sha256",
    "stale_reason",
    "token_file",
    "token_name",
    "write_index",
    "write_tokens",
]

Kind = Literal["spatial", "temporal"]

INDEX = "index.json"
FAILURES = "failures.csv"
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=@ -]{0,119}")


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


def write_index(
    folder: Path,
    fingerprint: Fingerprint,
    videos: Mapping[str, str],
    source: Mapping[str, Any] | None = None,
) -> None:
    """Write the folder's index, last of all.

    Args:
        folder: of the cache.
        fingerprint: that all files share.
        videos: id to content sha256, of every video that has tokens.
        source: of imported features, where they come from; None: encoded here.
    """
    index = {
        "schema": SCHEMA,
        "fingerprint": dict(fingerprint),
        "fingerprint_sha256": fingerprint_sha256(fingerprint),
        "videos": dict(sorted(videos.items())),
        **({} if source is None else {"source": dict(source)}),
    }
    write_text(folder / INDEX, json.dumps(index, indent=1, sort_keys=True) + "\n")


class TokenCache:
    """A finished cache, for reading. Holds no file handle, so it can be forked and pickled.

    Where the cache is packed, a video is read from its shard; the tokens are the same bit by bit.
    """

    def __init__(self, folder: Path) -> None:
        """Read the index and the heads of the shards.

        Raises:
            CacheError: if there is no index (extraction has not finished), or it or a shard's head
                cannot be read.
        """
        self.folder = folder
        path = folder / INDEX
        again = f"run its stage, for example `lmm-vqa {folder.name} {folder.parent.name}`"
        if not path.is_file():
            raise CacheError(f"{path}: missing, so the cache is not finished; {again}")
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
            if index["schema"] != SCHEMA:
                raise CacheError(f"{path}: schema {index['schema']}; wanted {SCHEMA}; {again}")
            self.fingerprint: dict[str, Any] = index["fingerprint"]
            self.fingerprint_sha256: str = index["fingerprint_sha256"]
            self.videos: dict[str, str] = index["videos"]
            self.source: dict[str, Any] | None = index.get("source")
            packed = shards.places(folder, self.fingerprint_sha256)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise CacheError(f"{path}: not an index of this project: {error!r}") from error
        except shards.ShardError as error:
            raise CacheError(str(error)) from error
        # a video that has been encoded again since lies in a file of its own
        self.packed = {key[0]: packed[key] for key in self.videos.items() if key in packed}

    @property
    def random(self) -> bool:
        """Say whether the encoder had random weights; whatever comes of it must say so too."""
        return bool(self.fingerprint["random"])

    def __contains__(self, video_id: object) -> bool:
        return video_id in self.videos

    def read(self, video_id: str) -> Tokens:
        """Return a video's tokens.

        Raises:
            CacheError: if the video is not in the cache, or its file is damaged or made from other
                settings or another video than the index says.
        """
        own = None if video_id in self.packed else self.file(video_id)
        try:
            if own is None:
                place = self.packed[video_id]
                # as text: to make a Path for each read is a fifth of reading a small video
                return Tokens(*shards.read(f"{self.folder}/{place.shard}", place))
            return read_file(own, (self.fingerprint_sha256, self.videos[video_id]))
        except (*BROKEN, shards.ShardError) as error:
            raise self.damaged(video_id, error) from error

    def damaged(self, video_id: str, reason: object) -> CacheError:
        """Return the error that says that a video's tokens are damaged, and what to do."""
        kind, dataset = self.folder.name, self.folder.parent.name
        return CacheError(
            f"{self.file(video_id)}: {video_id!r} is damaged ({reason}); `lmm-vqa cache verify "
            f"{dataset}/{kind} --discard` removes what is, then `lmm-vqa {kind} {dataset}` redoes "
            "it"
        )

    def check(self, video_id: str) -> str | None:
        """Return what is wrong with a video's tokens, reading all of them; None if nothing is."""
        if video_id in self.packed:
            place = self.packed[video_id]
            try:
                tokens = Tokens(*shards.read(self.file(video_id), place))
            except (OSError, shards.ShardError) as error:
                return str(error)
            wanted = self.fingerprint_sha256, place.video_sha256, place.content_sha256
            return check_content(tokens, *wanted)
        return check_file(self.file(video_id), self.fingerprint_sha256, self.videos[video_id])

    def file(self, video_id: str) -> Path:
        """Return the file that a video's tokens are in: its own, or a shard.

        Raises:
            CacheError: if the video is not in the cache.
        """
        if video_id not in self.videos:
            raise CacheError(f"{self.folder}: no tokens of {video_id!r}; see {FAILURES} there")
        if video_id in self.packed:
            return self.folder / self.packed[video_id].shard
        return token_file(self.folder, video_id)

    def shape(self, video_id: str) -> tuple[int, ...]:
        """Return the shape of a video's tokens without reading them.

        Raises:
            CacheError: as `read`.
        """
        path = self.file(video_id)
        if video_id in self.packed:
            return self.packed[video_id].shape
        try:
            return file_shape(path)
        except BROKEN as error:
            raise self.damaged(video_id, error) from error

    def libraries(self, video_id: str) -> dict[str, str]:
        """Return name and version of the libraries that a video's tokens come from.

        Raises:
            CacheError: as `read`.
        """
        path = self.file(video_id)
        if video_id in self.packed:
            return dict(self.packed[video_id].libraries)
        try:
            return file_libraries(path)
        except (*BROKEN, AttributeError) as error:
            raise self.damaged(video_id, error) from error

    def size_bytes(self, video_id: str) -> int:
        """Return the bytes on disk of a video's tokens."""
        if video_id in self.packed:
            return self.packed[video_id].size_bytes
        return self.file(video_id).stat().st_size
