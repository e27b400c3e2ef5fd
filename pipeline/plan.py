"""What an extraction has to do: every row of a manifest against what its caches hold.

A row costs about a microsecond where the journal knows the file, so a million rows are planned in
seconds; only files that have changed since they were last seen are opened.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import failures, journal, shards
from pipeline.cache import fingerprint_sha256, stale_reason, token_name
from pipeline.encode import Job, Target, Video, wanted_fingerprint
from pipeline.failures import Failure
from pipeline.journal import Stamp
from pipeline.settings import RunSettings
from pipeline.tokens import NOT_YET, REPLACED, SETTINGS

MAX_ATTEMPTS = 3  # a video that has failed so often is tried again only on request
POOL_FROM = 2000  # files to open; fewer are sooner read than processes started


@dataclass
class Cache:
    """One target's part of a plan.

    Attributes:
        target: the cache.
        fingerprint: that its files must have.
        files: what lies in the folder, by name.
        known: journal entries of the files that are current.
        packed: names of the files that are current, but lie in shards.
        half: half-written files of a writer that was killed.
        stale: reason per row number.
        failed: earlier failures of videos that have not changed since, by id.
    """

    target: Target
    fingerprint: dict[str, Any]
    files: dict[str, Stamp]
    half: list[Path]
    known: dict[str, str] = field(default_factory=dict)
    packed: set[str] = field(default_factory=set)
    stale: dict[int, str] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Say whether a video, known by its file's name, has current tokens."""
        return name in self.known or name in self.packed


@dataclass(frozen=True)
class Plan:
    """What an extraction would do.

    Attributes:
        rows: video_id to its token file's name, of the whole manifest, in its order.
        shas: video_id to the content sha256.
        jobs: videos to encode, in manifest order.
        reasons: how many of them there are, by reason.
        current: how many videos have current tokens.
        tried: how many of the jobs failed before.
        given_up: videos that are left out because they failed too often.
        left: how many stale ones are left out because only failed ones are wanted.
        caches: one per target.
    """

    rows: dict[str, str]
    shas: dict[str, str]
    jobs: list[Job]
    reasons: Counter[str]
    current: int
    tried: int
    given_up: list[str]
    left: int
    caches: tuple[Cache, ...]

    def __str__(self) -> str:
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(self.reasons.items()))
        parts = [f"{self.current} cached", f"{len(self.jobs)} to do ({why or 'none'})"]
        if self.tried or self.given_up:
            parts.append(f"{self.tried + len(self.given_up)} failed before")
        if self.given_up:
            parts.append(
                f"{len(self.given_up)} of them left out after {MAX_ATTEMPTS} attempts "
                "(--retry-failed tries them)"
            )
        if self.left:
            parts.append(f"{self.left} not now, since they did not fail")
        return f"{len(self.rows)} videos: {', '.join(parts)}"


def plan(
    manifest: pd.DataFrame,
    targets: tuple[Target, ...],
    run: RunSettings,
    retry_failed: bool = False,
) -> Plan:
    """Compare every video of a manifest with the caches; changes nothing.

    Args:
        manifest: with video_id, path, sha256 and, if known, duration_s.
        targets: the caches.
        run: device, for building the encoders.
        retry_failed: plan only videos that failed before, however often.
    """
    ids = manifest["video_id"].tolist()
    shas = manifest["sha256"].tolist()
    rows = {video_id: token_name(video_id) for video_id in ids}
    caches = tuple(_compare(target, rows, shas, run) for target in targets)
    todo = sorted(set().union(*(cache.stale for cache in caches)))
    jobs: list[Job] = []
    reasons: Counter[str] = Counter()
    given_up: list[str] = []
    tried = left = 0
    root = Path.cwd()
    videos = _videos(manifest, todo)
    for row, video in zip(todo, videos, strict=True):
        wanting = [cache for cache in caches if row in cache.stale]
        attempts = max(
            (c.failed[ids[row]].attempts for c in wanting if ids[row] in c.failed), default=0
        )
        if retry_failed and not attempts:
            left += 1
        elif attempts >= MAX_ATTEMPTS and not retry_failed:
            given_up.append(video.video_id)
        else:
            tried += attempts > 0
            reasons[wanting[0].stale[row]] += 1
            targets_of = tuple(cache.target for cache in wanting)
            jobs.append(Job(root, video, targets_of, tuple(cache.fingerprint for cache in wanting)))
    current, hashes = len(rows) - len(todo), dict(zip(ids, shas, strict=True))
    return Plan(rows, hashes, jobs, reasons, current, tried, given_up, left, caches)


def _videos(manifest: pd.DataFrame, rows: list[int]) -> Iterator[Video]:
    chosen = manifest.iloc[rows]
    known = chosen["duration_s"].fillna(0.0) if "duration_s" in chosen else [0.0] * len(rows)
    for video_id, path, sha256, duration_s in zip(
        chosen["video_id"], chosen["path"], chosen["sha256"], known, strict=True
    ):
        yield Video(video_id, Path(path), sha256, float(duration_s))


def _compare(target: Target, rows: dict[str, str], shas: list[str], run: RunSettings) -> Cache:
    made = wanted_fingerprint(target, run)
    wanted = fingerprint_sha256(made)
    files, half = journal.scan(target.folder)
    cache = Cache(target, made, files, half)
    packed = shards.places(target.folder, wanted)
    seen = journal.read(target.folder)
    unsure: list[tuple[int, str]] = []
    for row, ((video_id, name), sha256) in enumerate(zip(rows.items(), shas, strict=True)):
        if packed and (video_id, sha256) in packed:
            cache.packed.add(name)
            continue
        found = files.get(name)
        if found is None:
            cache.stale[row] = NOT_YET
            continue
        line = seen.get(name, "")
        if line == (current := journal.entry(found, wanted, sha256)):
            cache.known[name] = current
        elif line.startswith(journal.same_file(found)):
            cache.stale[row] = REPLACED if f"\t{wanted}\t" in line else SETTINGS
        else:
            unsure.append((row, name))
    for (row, name), reason in zip(
        unsure,
        _opened([(target.folder / name, wanted, shas[row]) for row, name in unsure]),
        strict=True,
    ):
        if reason:
            cache.stale[row] = reason
        else:
            cache.known[name] = journal.entry(files[name], wanted, shas[row])
    cache.failed.update(_failed_before(target.folder, dict(zip(rows, shas, strict=True)), wanted))
    return cache


def _opened(files: list[tuple[Path, str, str]]) -> list[str | None]:
    """Return why each file is stale, by reading it; many are read by many processes."""
    if len(files) < POOL_FROM:
        return [stale_reason(*file) for file in files]
    # spawned: a fork would copy the locks of the threads that torch and Dask have running
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return list(pool.map(stale_reason, *zip(*files, strict=True), chunksize=256))


def _failed_before(folder: Path, shas: dict[str, str], wanted: str) -> dict[str, Failure]:
    """Return the failures of videos and settings that are still the same."""
    return {
        failure.video_id: failure
        for failure in failures.read(folder)
        if failure.fingerprint_sha256 == wanted
        and shas.get(failure.video_id) == failure.video_sha256
    }
