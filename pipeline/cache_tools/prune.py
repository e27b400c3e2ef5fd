"""What a cache holds that nothing asks for."""

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline import shards
from pipeline.atomic import TMP_PREFIX
from pipeline.cache import INDEX, TokenCache, token_file, write_index

HALF_WRITTEN_S = 600.0  # a temporary file of this age has no writer any more


@dataclass(frozen=True)
class Waste:
    """Files that can go.

    Attributes:
        strays: token files of videos that the manifest does not have.
        half_written: temporary files that a killed writer has left.
        dead_shards: shards that hold no video that the index lists.
        unlisted: videos that the index has and the manifest has not.
    """

    folder: Path
    strays: list[Path]
    half_written: list[Path]
    dead_shards: list[Path]
    unlisted: list[str]
    size_bytes: int


def waste(folder: Path, manifest: pd.DataFrame) -> Waste:
    """Return what a cache holds that its manifest does not ask for; changes nothing.

    Raises:
        CacheError: if the index or a shard cannot be read.
    """
    wanted = {token_file(folder, str(video_id)) for video_id in manifest["video_id"]}
    temporary = [p for p in folder.rglob(f"{TMP_PREFIX}*") if p.is_file()]
    strays = [
        p for p in folder.rglob("*.h5") if p not in wanted and not p.name.startswith(TMP_PREFIX)
    ]
    half_written = [p for p in temporary if time.time() - p.stat().st_mtime > HALF_WRITTEN_S]
    dead: list[Path] = []
    unlisted: list[str] = []
    if (folder / INDEX).is_file():
        cache = TokenCache(folder)
        ids = set(manifest["video_id"])
        unlisted = sorted(cache.videos.keys() - ids)
        live = Counter(place.shard for v, place in cache.packed.items() if v in ids)
        dead = [path for path in shards.listed(folder) if not live[path.name]]
    size = sum(path.stat().st_size for path in (*strays, *half_written, *dead))
    return Waste(folder, sorted(strays), sorted(half_written), dead, unlisted, size)


def remove(found: Waste) -> None:
    """Remove what `waste` has found; the index is mended first, so all that it lists is there."""
    if found.unlisted:
        cache = TokenCache(found.folder)
        kept = {v: sha for v, sha in cache.videos.items() if v not in set(found.unlisted)}
        write_index(found.folder, cache.fingerprint, kept, cache.source)
    for path in (*found.strays, *found.half_written, *found.dead_shards):
        path.unlink(missing_ok=True)


def summary(found: Waste, done: bool) -> str:
    """Return what was, or would be, removed."""
    name = f"{found.folder.parent.name}/{found.folder.name}"
    count = len(found.strays) + len(found.half_written) + len(found.dead_shards)
    if not count and not found.unlisted:
        return f"{name}: nothing to remove"
    what = (
        f"{len(found.strays)} token files without a video in the manifest, "
        f"{len(found.half_written)} half-written files, {len(found.dead_shards)} dead shards, "
        f"{found.size_bytes / 1e6:.1f} MB"
    )
    if found.unlisted:
        what += f"; {len(found.unlisted)} videos off the index, in shards until the next pack"
    if done:
        return f"{name}: removed {what}"
    first = "".join(f"\n  {path}" for path in (*found.strays, *found.half_written)[:5])
    return f"{name}: would remove {what}; add --yes to do it{first}"
