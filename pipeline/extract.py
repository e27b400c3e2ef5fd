"""Extraction: plan what is stale, encode it on Dask or in this process, and close the cache."""

import csv
import io
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pandas as pd
from distributed import Client, as_completed

from pipeline import cluster
from pipeline.atomic import TMP_PREFIX, write_text
from pipeline.cache import (
    FAILURES,
    INDEX,
    fingerprint_sha256,
    stale_reason,
    token_file,
    write_index,
)
from pipeline.encode import Record, Target, Video, encode_video, encoder, fingerprint
from pipeline.progress import bar
from pipeline.settings import RunSettings

WINDOW = 3  # tasks in flight per worker: a video that kills its worker takes few others with it

log = logging.getLogger(__name__)


class ExtractError(RuntimeError):
    """Some videos have no tokens; failures.csv in the cache names each with its reason."""


@dataclass(frozen=True)
class Plan:
    """What an extraction would do.

    Attributes:
        todo: videos to encode, in manifest order.
        reasons: how many videos are to be done, by reason.
        current: how many have current tokens already.
        fingerprints: one per target.
    """

    todo: list[Video]
    reasons: Counter[str]
    current: int
    fingerprints: list[dict[str, object]]

    def __str__(self) -> str:
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(self.reasons.items()))
        total = self.current + len(self.todo)
        return f"{total} videos: {self.current} cached, {len(self.todo)} to do ({why or 'none'})"


def plan(manifest: pd.DataFrame, targets: tuple[Target, ...], run: RunSettings) -> Plan:
    """Compare every video of a manifest with the caches; changes nothing."""
    device, threads = cluster.device(run), cluster.threads(run)
    fingerprints = [fingerprint(t.settings, encoder(t.settings, device, threads)) for t in targets]
    hashes = [fingerprint_sha256(fp) for fp in fingerprints]
    todo: list[Video] = []
    reasons: Counter[str] = Counter()
    for video in _videos(manifest):
        reason = next(
            (
                found
                for target, wanted in zip(targets, hashes, strict=True)
                if (found := _stale(target, video, wanted))
            ),
            None,
        )
        if reason:
            todo.append(video)
            reasons[reason] += 1
    return Plan(todo, reasons, len(manifest) - len(todo), fingerprints)


def extract(manifest: pd.DataFrame, targets: tuple[Target, ...], run: RunSettings) -> None:
    """Bring the caches of `targets` in line with a manifest.

    Stale and missing videos are encoded, files of videos that are gone are removed, and the index
    is written last. What is current is not touched.

    Args:
        manifest: with video_id, path and sha256.
        targets: the caches; each video is decoded once for all of them.
        run: workers and device.

    Raises:
        ExtractError: at the end, if any video failed; all others are done and indexed.
    """
    planned = plan(manifest, targets, run)
    log.info("%s: %s", ", ".join(str(t.folder) for t in targets), planned)
    for target in targets:
        if planned.todo:
            (target.folder / INDEX).unlink(missing_ok=True)
        _prune(target, manifest)
    with cluster.connected(run, len(planned.todo)) as client:
        records = (
            _here(planned.todo, targets, run)
            if client is None
            else _on_dask(client, planned.todo, targets, run)
        )
        what = "+".join(target.kind for target in targets)
        ended = {r.video_id: r.failure for r in bar(records, len(planned.todo), what, "video")}
    # a video is done if a worker has said so, never because nothing was heard of it
    failed = {
        video.video_id: reason
        for video in planned.todo
        if (reason := ended.get(video.video_id, "no worker has answered for it"))
    }
    for target, made in zip(targets, planned.fingerprints, strict=True):
        _close(target, manifest, made, failed)
    if failed:
        first = "\n".join(f"  {video_id}: {why}" for video_id, why in list(failed.items())[:5])
        raise ExtractError(
            f"{len(failed)} of {len(manifest)} videos failed, the others are done; all are named "
            f"in {targets[0].folder / FAILURES}, the first of them:\n{first}"
        )


def _videos(manifest: pd.DataFrame) -> Iterator[Video]:
    for row in manifest.itertuples(index=False):
        yield Video(str(row.video_id), Path(str(row.path)), str(row.sha256))


def _stale(target: Target, video: Video, wanted: str) -> str | None:
    return stale_reason(token_file(target.folder, video.video_id), wanted, video.sha256)


def _here(todo: list[Video], targets: tuple[Target, ...], run: RunSettings) -> Iterator[Record]:
    for video in todo:
        yield encode_video(video, targets, cluster.device(run), cluster.threads(run))


def _on_dask(
    client: Client, todo: list[Video], targets: tuple[Target, ...], run: RunSettings
) -> Iterator[Record]:
    """Yield records as they come, with a bounded number of tasks in flight."""
    waiting = iter(todo)
    videos: dict[str, Video] = {}

    def submit(video: Video) -> object:
        future = client.submit(
            encode_video,
            video,
            targets,
            cluster.device(run),
            cluster.threads(run),
            pure=False,  # the same video may be encoded again in one session of the cluster
        )
        videos[future.key] = video
        return future

    window = WINDOW * max(1, len(client.scheduler_info()["workers"]))
    pool = as_completed([submit(video) for video in islice(waiting, window)])
    for future in pool:
        video = videos.pop(future.key)
        error = future.exception()
        yield Record(video.video_id, 0, 0.0, repr(error)) if error else future.result()
        for following in islice(waiting, 1):
            pool.add(submit(following))


def _prune(target: Target, manifest: pd.DataFrame) -> None:
    """Remove token files of videos that the manifest does not have, and half-written files."""
    wanted = {token_file(target.folder, str(video_id)) for video_id in manifest["video_id"]}
    for path in sorted(target.folder.rglob("*.h5")):
        if path not in wanted or path.name.startswith(TMP_PREFIX):
            log.info("removed %s", path)
            path.unlink()


def _close(
    target: Target,
    manifest: pd.DataFrame,
    made: dict[str, object],
    failed: dict[str, str],
) -> None:
    """Write failures.csv and, last, the index."""
    failures = target.folder / FAILURES
    rows = [
        (video.video_id, video.path, target.kind, failed[video.video_id])
        for video in _videos(manifest)
        if video.video_id in failed
    ]
    for video_id, *_ in rows:  # tokens of an earlier state of this video must not be read
        token_file(target.folder, video_id).unlink(missing_ok=True)
    if rows:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("video_id", "path", "stage", "reason"))
        writer.writerows(rows)
        write_text(failures, text.getvalue())
    else:
        failures.unlink(missing_ok=True)
    done = {v.video_id: v.sha256 for v in _videos(manifest) if v.video_id not in failed}
    write_index(target.folder, made, done)
