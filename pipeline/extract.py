"""Extraction: encode what the plan says on Dask or in this process, and close the caches."""

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TextIO

import pandas as pd
from distributed import Client, Future, KilledWorker, as_completed
from distributed.comm import CommClosedError

from pipeline import cluster, failures, journal, shards
from pipeline.cache import FAILURES, INDEX, fingerprint_sha256, write_index
from pipeline.cache_tools.mend import mend
from pipeline.cluster import ClusterError
from pipeline.encode import Job, Record, Target, encode_video, wanted_fingerprint
from pipeline.estimate import estimate, is_short
from pipeline.failures import Failure
from pipeline.plan import Cache, Plan, plan
from pipeline.progress import bar
from pipeline.settings import RunSettings
from pipeline.storage import free_bytes, storage

WAITING = 2  # tasks for each worker beside what it works on: one that kills it takes few with it
LOOK_EVERY_S = 5.0  # for workers that have joined or left

log = logging.getLogger(__name__)


class ExtractError(RuntimeError):
    """Some videos have no tokens; failures.csv in the cache names each with its reason."""


def announce(planned: Plan, run: RunSettings, short: bool = True) -> None:
    """Say what an extraction will do, how much it will write and how long it will take.

    Args:
        short: whether the latter is found out of a short extraction, too.

    Raises:
        HardwareError: if videos are to be decoded by a GPU of this machine that cannot.
    """
    folders = ", ".join(str(cache.target.folder) for cache in planned.caches)
    log.info("%s: %s", folders, planned)
    if not planned.jobs:
        return
    if not short and run.decode_on == "cpu" and is_short(planned.jobs):
        return
    ahead = estimate(planned.jobs, run)
    log.info("%s", ahead or "no estimate: none of the first videos can be read")
    free = free_bytes(planned.caches[0].target.folder)
    if ahead and ahead.bytes > free:
        log.warning("only %.1f MB are free there", free / 1e6)


def extract(
    manifest: pd.DataFrame,
    targets: tuple[Target, ...],
    run: RunSettings,
    *,
    retry_failed: bool = False,
    report: Path | None = None,
) -> None:
    """Bring the caches of `targets` in line with a manifest.

    Stale and missing videos are encoded, files of videos that are gone are removed, and the index
    is written last. What is current is not touched.

    Args:
        manifest: with video_id, path and sha256.
        targets: the caches; each video is decoded once for all of them.
        run: where, with which limits, and how many failures are accepted.
        retry_failed: only try again what failed before.
        report: HTML file for Dask's performance report.

    Raises:
        ExtractError: at the end, if more videos failed than are accepted; all others are done and
            indexed.
        StorageError: at once, if a folder cannot be written.
        ClusterError: if the scheduler is not there, or was lost.
        WorkerError: if a worker would make other tokens.
        HardwareError: if videos are to be decoded by a GPU that cannot.
    """
    with ExitStack() as stack:
        lines = [stack.enter_context(journal.writing(target.folder)) for target in targets]
        # under the lock: nobody else changes the folders from here on
        shards_of = [
            mend(target.folder, line, wanted_fingerprint(target, run))
            for target, line in zip(targets, lines, strict=True)
        ]
        planned = plan(manifest, targets, run, retry_failed)
        for cache, packed in zip(planned.caches, shards_of, strict=True):
            cache.known.update(packed)
        announce(planned, run, short=False)
        failed: dict[str, Record] = {}
        try:
            with cluster.connected(run, len(planned.jobs), report) as client:
                for cache in planned.caches:  # not before it is sure that there are workers
                    with storage(cache.target.folder):
                        _open(cache, planned)
                records = _here(planned, run) if client is None else _on_dask(client, planned, run)
                what = "+".join(target.kind for target in targets)
                for job, record in bar(records, len(planned.jobs), what, "video"):
                    if record.failure:
                        failed[record.video_id] = record
                    else:
                        _note(planned, job, record, lines)
            failed |= {record.video_id: record for record in _unheard(planned, failed)}
        finally:  # however it ends, the next run knows what failed
            for cache in planned.caches:
                with storage(cache.target.folder):
                    _write_failures(cache, planned, failed)
        for cache in planned.caches:
            with storage(cache.target.folder):
                _close(cache, planned)
    _judge(planned, failed, run)


def _open(cache: Cache, planned: Plan) -> None:
    """Remove the index if the cache will change, files of videos that are gone, and halves."""
    gone = cache.files.keys() - set(planned.rows.values())
    if cache.stale or gone:
        (cache.target.folder / INDEX).unlink(missing_ok=True)
    for path in (*(cache.target.folder / name for name in sorted(gone)), *cache.half):
        log.info("removed %s", path)
        path.unlink(missing_ok=True)


def _here(planned: Plan, run: RunSettings) -> Iterator[tuple[Job, Record]]:
    for job in planned.jobs:
        yield job, encode_video(job, run)


def _on_dask(client: Client, planned: Plan, run: RunSettings) -> Iterator[tuple[Job, Record]]:
    """Yield records as they come, with a bounded number of tasks in flight."""
    waiting = iter(planned.jobs)
    flying: dict[str, Job] = {}
    pool = as_completed()
    window = _window(client)

    def submit() -> None:
        for job in islice(waiting, max(0, window() - len(flying))):
            # not pure: the same video may be encoded again in one session of the cluster
            future = client.submit(encode_video, job, run, pure=False)
            flying[future.key] = job
            pool.add(future)

    submit()
    try:
        for future in pool:
            job = flying.pop(future.key)
            yield job, _result(future, job, client)
            submit()
    finally:
        pool.clear()


def _window(client: Client) -> Callable[[], int]:
    """Return a function that says how many tasks may be in flight; workers may come and go."""
    looked, size = float("-inf"), 0

    def window() -> int:
        nonlocal looked, size
        if time.monotonic() - looked > LOOK_EVERY_S:
            waiting = WAITING * max(1, cluster.count_workers(client))
            size = waiting + max(1, cluster.count_threads(client))
            looked = time.monotonic()
        return size

    return window


def _result(future: Future, job: Job, client: Client) -> Record:
    """Return a task's record; what is no fault of the video's is raised."""
    try:
        record: Record = future.result()
    except KilledWorker as error:
        reason = f"{job.video.path}: the worker died with it: {error}"
        return Record(job.video.video_id, failure=reason, stage="worker")
    except (CancelledError, CommClosedError) as error:
        raise ClusterError(
            f"{client.scheduler.address}: the scheduler has gone, or dropped the work ({error!r}); "
            "start it again and run the same command: what is finished is kept"
        ) from error
    return record


def _note(planned: Plan, job: Job, record: Record, lines: list[TextIO]) -> None:
    """Write down that a video's files are current, for this run's end and for the next run."""
    name = planned.rows[record.video_id]
    made = dict(zip((target.folder for target in job.targets), record.stamps, strict=True))
    for cache, line in zip(planned.caches, lines, strict=True):
        if found := made.get(cache.target.folder):
            wanted = fingerprint_sha256(cache.fingerprint)
            cache.known[name] = journal.entry(found, wanted, job.video.sha256)
            with storage(cache.target.folder):
                line.write(f"{name}\t{cache.known[name]}\n")


def _unheard(planned: Plan, failed: dict[str, Record]) -> Iterator[Record]:
    """Yield failures of jobs that nobody has answered for, or that have no files here."""
    files = {cache.target: journal.scan(cache.target.folder)[0] for cache in planned.caches}
    for job in planned.jobs:
        name = planned.rows[job.video.video_id]
        for cache in planned.caches:
            if cache.target not in job.targets or job.video.video_id in failed:
                continue
            if name not in cache.known:
                why = "no worker has answered for it"
            elif name not in files[cache.target]:
                del cache.known[name]
                why = (
                    f"a worker has written its tokens, but {cache.target.folder} does not have "
                    "them as seen from here; do all machines share that folder?"
                )
            else:
                continue
            yield Record(job.video.video_id, failure=why, stage="worker")


def _write_failures(cache: Cache, planned: Plan, failed: dict[str, Record]) -> None:
    """Write those of this run, and those of earlier ones that nothing has been done about."""
    wanted = fingerprint_sha256(cache.fingerprint)
    rows = {
        video_id: failure
        for video_id, failure in cache.failed.items()
        if not cache.has(planned.rows[video_id])
    }
    for job in planned.jobs:
        video = job.video
        if cache.target in job.targets and (record := failed.get(video.video_id)):
            before = rows[video.video_id].attempts if video.video_id in rows else 0
            rows[video.video_id] = Failure(
                video_id=video.video_id,
                path=str(video.path),
                stage=record.stage,
                reason=record.failure or "",
                attempts=before + 1,
                video_sha256=video.sha256,
                fingerprint_sha256=wanted,
            )
    for video_id in rows:  # tokens of an earlier state of this video must not be read
        (cache.target.folder / planned.rows[video_id]).unlink(missing_ok=True)
    failures.write(cache.target.folder, (rows[v] for v in planned.rows if v in rows))


def _close(cache: Cache, planned: Plan) -> None:
    """Write the journal and, last, the index; a cache that lacks untried videos gets none."""
    journal.rewrite(cache.target.folder, cache.known)
    if not planned.left:
        done = {v: planned.shas[v] for v, name in planned.rows.items() if cache.has(name)}
        write_index(cache.target.folder, cache.fingerprint, done)
        shards.remove_others(cache.target.folder, fingerprint_sha256(cache.fingerprint))


def _judge(planned: Plan, failed: dict[str, Record], run: RunSettings) -> None:
    """Fail the stage if more videos failed than are accepted."""
    folder = planned.caches[0].target.folder
    count = len(failed) + len(planned.given_up)
    before = {f.video_id: f.reason for cache in planned.caches for f in cache.failed.values()}
    reasons = {v: before[v] for v in planned.given_up}
    reasons |= {v: record.failure or "" for v, record in failed.items()}
    first = "\n".join(f"  {video_id}: {why}" for video_id, why in list(reasons.items())[:5])
    message = (
        f"{count} of {len(planned.rows)} videos failed, the others are done; all are named in "
        f"{folder / FAILURES}, the first of them:\n{first}"
    )
    if planned.left:
        raise ExtractError(
            f"{planned.left} videos are still to be encoded for the first time, so {folder} has no "
            "index yet; run the same command without --retry-failed"
        )
    if count > run.allow_failures:
        raise ExtractError(message)
    if count:
        log.warning("%s\n(up to %d are accepted)", message, run.allow_failures)
