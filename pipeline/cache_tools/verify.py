"""Verification: read everything and compare it with what was written."""

import multiprocessing
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from dask.system import CPU_COUNT

from pipeline import shards
from pipeline.atomic import TMP_PREFIX
from pipeline.cache import INDEX, CacheError, TokenCache, token_file
from pipeline.cache_tools.pack import unpack
from pipeline.progress import bar

BATCH = 64  # videos per task: a task costs about as much as reading a small file
# what a check costs, roughly; processes take seconds to start, and are for caches that take longer
_S_PER_VIDEO, _S_PER_BYTE, _LONG_S = 0.5e-3, 1 / 400e6, 15.0


@dataclass(frozen=True)
class Verified:
    """What was found.

    Attributes:
        bad: videos whose tokens cannot be trusted, and why.
        bad_shards: shards whose head cannot be read, and why; their videos are not in `bad`.
        strays: token files of videos that the index does not have.
        outdated: of a comparison with a manifest: videos that differ, and how.
    """

    folder: Path
    videos: int
    size_bytes: int
    seconds: float
    bad: dict[str, str]
    bad_shards: dict[str, str]
    strays: list[str]
    outdated: dict[str, str]

    @property
    def good(self) -> bool:
        """Say whether all that the index lists can be trusted and, if asked, is up to date."""
        return not (self.bad or self.bad_shards or self.outdated)


def verify(folder: Path, manifest: pd.DataFrame | None = None, workers: int = 0) -> Verified:
    """Read a whole cache and compare it with its checksums, hashes, index and a manifest.

    Args:
        manifest: with video_id and sha256; None: not compared.
        workers: processes; 0: one per core if that takes long, else this one. HDF5 holds one lock
            per process, so threads gain little (benchmarks/reading.py measures both).

    Raises:
        CacheError: if there is no index, or it cannot be read.
    """
    started = time.perf_counter()
    bad_shards = _bad_shards(folder)
    if bad_shards:
        return Verified(folder, 0, 0, time.perf_counter() - started, {}, bad_shards, [], {})
    cache = TokenCache(folder)
    size, bad = 0, {}
    for video_id, reason, size_bytes in bar(
        _checked(cache, workers),
        len(cache.videos),
        f"verify {folder.parent.name}/{folder.name}",
        "video",
    ):
        size += size_bytes
        if reason:
            bad[video_id] = reason
    return Verified(
        folder=folder,
        videos=len(cache.videos),
        size_bytes=size,
        seconds=time.perf_counter() - started,
        bad=bad,
        bad_shards={},
        strays=_strays(cache),
        outdated={} if manifest is None else dict(_outdated(cache, manifest)),
    )


Finding = tuple[str, str | None, int]  # video id, what is wrong, bytes read


def _checked(cache: TokenCache, workers: int) -> Iterator[Finding]:
    # neighbours in a shard are read one after the other, as disks like it
    ids = sorted(cache.videos, key=lambda v: (str(cache.file(v)), _offset(cache, v)))
    if not workers:
        sample = check_batch(cache, ids[:1])
        size = sum(of_one for *_, of_one in sample) * len(ids)
        long = len(ids) * _S_PER_VIDEO + size * _S_PER_BYTE > _LONG_S
        workers = CPU_COUNT if long else 1
    if workers == 1:
        yield from check_batch(cache, ids)
        return
    # spawned, not forked: the parent may have threads, and HDF5 is not told of a fork
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start, (cache.folder,)) as pool:
        batches = [ids[at : at + BATCH] for at in range(0, len(ids), BATCH)]
        try:
            for found in pool.map(_check_here, batches):
                yield from found
        except BrokenProcessPool as error:
            raise CacheError(
                f"{cache.folder}: a process that read it died; was the machine short of memory?"
            ) from error


def _offset(cache: TokenCache, video_id: str) -> int:
    return cache.packed[video_id].tokens_at if video_id in cache.packed else 0


def check_batch(cache: TokenCache, ids: Iterable[str]) -> list[Finding]:
    """Check some videos of a cache, in this thread."""
    found: list[Finding] = []
    for video_id in ids:
        reason = cache.check(video_id)
        try:
            size = cache.size_bytes(video_id)
        except OSError:
            size = 0
        found.append((video_id, reason, size))
    return found


_caches: list[TokenCache] = []  # of a worker process


def _start(folder: Path) -> None:
    _caches[:] = [TokenCache(folder)]


def _check_here(ids: list[str]) -> list[Finding]:
    return check_batch(_caches[0], ids)


def _bad_shards(folder: Path) -> dict[str, str]:
    found = {}
    for path in shards.listed(folder):
        try:
            shards.head(path)
        except shards.ShardError as error:
            found[path.name] = str(error)
    return found


def _strays(cache: TokenCache) -> list[str]:
    wanted = {token_file(cache.folder, video_id) for video_id in cache.videos}
    files = (p for p in cache.folder.rglob("*.h5") if not p.name.startswith(TMP_PREFIX))
    return sorted(str(path.relative_to(cache.folder)) for path in files if path not in wanted)


def _outdated(cache: TokenCache, manifest: pd.DataFrame) -> Iterator[tuple[str, str]]:
    hashes = dict(zip(manifest["video_id"], manifest["sha256"], strict=True))
    for video_id in sorted(cache.videos.keys() - hashes.keys()):
        yield video_id, "the manifest does not have it"
    for video_id in sorted(hashes.keys() - cache.videos.keys()):
        yield video_id, "in the manifest, without tokens"
    # what was imported carries the hash of the features, not of the video
    for video_id, found in cache.videos.items() if cache.source is None else ():
        if video_id in hashes and hashes[video_id] != found:
            yield video_id, "the video has changed"


def discard(found: Verified) -> int:
    """Remove what `verify` found bad, so that the stage redoes it; return how many files.

    The index goes first: without its tokens a video must not be listed. A bad shard is removed
    whole; a good shard with bad videos gives the others back as files.

    Raises:
        CacheError: if tokens of a shard cannot be written as files; the shard is still there then.
    """
    if not found.bad and not found.bad_shards:
        return 0
    cache = None if found.bad_shards else TokenCache(found.folder)
    packed = {} if cache is None else {v: cache.packed[v] for v in found.bad if v in cache.packed}
    for name in {place.shard for place in packed.values()}:
        assert cache is not None
        unpack(cache, name, without=found.bad)
    (found.folder / INDEX).unlink(missing_ok=True)
    paths = [found.folder / name for name in found.bad_shards]
    paths += [token_file(found.folder, video_id) for video_id in found.bad]
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def summary(found: Verified, shown: int = 5) -> str:
    """Return what was found, with the first bad ones and what to do."""
    name = f"{found.folder.parent.name}/{found.folder.name}"
    rate = found.size_bytes / 1e6 / max(found.seconds, 1e-9)
    size = f"{found.size_bytes / 1e6:.1f} MB in {found.seconds:.1f} s ({rate:.0f} MB/s)"
    lines = [f"{name}: {found.videos} videos, {size}"]
    if found.bad or found.bad_shards:
        wrong = found.bad_shards | found.bad
        lines[0] += f": {len(wrong)} BAD"
        lines += [f"  {key}: {reason}" for key, reason in list(wrong.items())[:shown]]
        lines.append(
            f"  `lmm-vqa cache verify {name} --discard` removes what is bad, then "
            f"`lmm-vqa {found.folder.name} {found.folder.parent.name}` redoes it"
        )
    elif found.good:
        lines[0] += ", all as written"
    if found.outdated:
        lines.append(f"  {len(found.outdated)} differ from the manifest; run the stage again:")
        lines += [f"  {key}: {how}" for key, how in list(found.outdated.items())[:shown]]
    if found.strays:
        lines.append(
            f"  {len(found.strays)} token files that the index does not list, first "
            f"{found.strays[0]}; `lmm-vqa cache prune {name}` removes them"
        )
    return "\n".join(lines)
