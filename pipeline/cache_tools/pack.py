"""Packing: many small files into few large ones, and back. No token is ever without a file."""

import math
import shutil
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline import shards
from pipeline.cache import (
    CacheError,
    TokenCache,
    content_sha256,
    token_file,
    write_tokens,
)
from pipeline.progress import bar

SHARD_BYTES = 1_000_000_000


@dataclass(frozen=True)
class Packed:
    """What packing did: videos moved, shards written, files removed."""

    videos: int
    shards: int
    removed: int


def pack(folder: Path, shard_bytes: int = SHARD_BYTES) -> Packed:
    """Move the token files of a finished cache into shards, in the cache's own folder.

    Shards that hold what the index no longer lists, and shards that are not half full, are written
    anew with the rest. Files and old shards are removed when all new shards are on disk and have
    been read back, so a packing that is killed loses nothing and is simply run again. The index
    does not change: it lists videos, not files.

    Args:
        shard_bytes: size that a shard does not exceed unless one video does.

    Raises:
        CacheError: if the cache is not finished, a file is damaged, or the disk is too full.
    """
    cache = TokenCache(folder)
    ids, old = _to_pack(cache, shard_bytes)
    needed = sum(_size_bytes(cache, video_id) for video_id in ids)
    free = shutil.disk_usage(folder).free
    if needed * 1.05 > free:
        raise CacheError(
            f"{folder}: packing needs {needed / 1e9:.1f} GB beside the files, {free / 1e9:.1f} GB "
            "are free"
        )
    written = set()
    name = f"pack {folder.parent.name}/{folder.name}"
    batches = list(_batches(cache, ids, shard_bytes))
    for batch in bar(batches, len(batches), name, "shard"):
        entries = {video_id: _entry(cache, video_id) for video_id in batch}
        written.add(shards.write(folder, entries, cache.fingerprint_sha256))
    return Packed(len(ids), len(written), _clean(TokenCache(folder), old - written))


def unpack(cache: TokenCache, shard: str, without: Collection[str] = ()) -> None:
    """Write the videos of one shard as files again, then remove the shard.

    Args:
        shard: file name.
        without: videos to leave out.

    Raises:
        CacheError: if a video that is not left out is damaged; the shard is still there then.
    """
    for video_id, place in cache.packed.items():
        if place.shard == shard and video_id not in without:
            tokens = cache.read(video_id)
            path = token_file(cache.folder, video_id)
            write_tokens(path, tokens, cache.fingerprint, place.video_sha256, place.libraries)
    (cache.folder / shard).unlink()


def _to_pack(cache: TokenCache, shard_bytes: int) -> tuple[list[str], set[Path]]:
    """Return the videos to be written into new shards, and the shards that these replace."""
    live = Counter(place.shard for place in cache.packed.values())
    old = {
        path for path in shards.listed(cache.folder) if live[path.name] < len(shards.head(path)[1])
    }
    if len(cache.packed) < len(cache.videos) or old:
        small = (p for p in shards.listed(cache.folder) if p.stat().st_size < shard_bytes / 2)
        old.update(small)
    names = {path.name for path in old}
    ids = [
        video_id
        for video_id in sorted(cache.videos)
        if video_id not in cache.packed or cache.packed[video_id].shard in names
    ]
    return ids, old


def _size_bytes(cache: TokenCache, video_id: str) -> int:
    """Return the bytes that a video takes in a shard, wherever it lies now."""
    shape = cache.shape(video_id)
    return 2 * math.prod(shape) + 8 * shape[0]


def _batches(cache: TokenCache, ids: list[str], shard_bytes: int) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for video_id in ids:
        here = _size_bytes(cache, video_id)
        if batch and size + here > shard_bytes:
            yield batch
            batch, size = [], 0
        batch.append(video_id)
        size += here
    if batch:
        yield batch


def _entry(cache: TokenCache, video_id: str) -> shards.Entry:
    if reason := cache.check(video_id):
        raise cache.damaged(video_id, reason)
    tokens = cache.read(video_id)
    video = cache.videos[video_id]
    wanted = content_sha256(tokens, cache.fingerprint_sha256, video)
    return shards.Entry(tokens.tokens, tokens.pts_s, video, wanted, cache.libraries(video_id))


def _clean(cache: TokenCache, old: set[Path]) -> int:
    """Remove files and shards whose videos lie in other shards; return how many."""
    paths = [token_file(cache.folder, video_id) for video_id in cache.packed]
    gone = sorted(old) + [path for path in paths if path.is_file()]
    for path in gone:
        path.unlink()
    for folder in sorted({p for path in paths for p in path.parents}, reverse=True):
        inside = folder != cache.folder and folder.is_relative_to(cache.folder)
        if inside and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return len(gone)
