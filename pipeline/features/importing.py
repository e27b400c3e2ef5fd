"""Features into a token cache, so that tune, predict and evaluate read them as any tokens."""

import hashlib
import json
import logging
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline import failures, journal, shards
from pipeline.cache import (
    FAILURES,
    INDEX,
    Kind,
    Tokens,
    fingerprint_sha256,
    stale_reason,
    token_file,
    write_index,
    write_tokens,
)
from pipeline.cache_tools import prune
from pipeline.cache_tools.mend import mend
from pipeline.failures import Failure
from pipeline.features.read import FeatureError, Features, read
from pipeline.progress import bar
from pipeline.settings import FeatureSettings

VERSION = 1  # of what happens to the numbers between the file and the cache
MAX = float(np.finfo(np.float16).max)
LOSS = 0.05  # of a feature's spread that half precision may take
_SHOWN = 5

Array = NDArray[np.float64]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Joined:
    """Features of a manifest's videos.

    Attributes:
        name: of each video id, its name in the file.
        unused: names in the file that are no video of the manifest.
        missing: videos that the file does not have.
    """

    name: dict[str, str]
    unused: list[str]
    missing: list[str]


def import_features(
    manifest: pd.DataFrame,
    settings: FeatureSettings,
    root: Path,
    folder: Path,
    kind: Kind,
    dry_run: bool = False,
) -> None:
    """Bring the cache of one kind in line with a file of features.

    What is current is not touched. A video without features, or with some that are not finite or
    too large for half precision, has no tokens and is named in failures.csv.

    Args:
        manifest: with video_id and path.
        root: of the data set.
        folder: of the cache.
        dry_run: only say what would be done.

    Raises:
        FeatureError: before anything is written, if the file cannot be read or joined or a
            feature would lose its meaning in half precision; at the end, if videos have none.
    """
    features = read(settings, root)
    joined = join(features, manifest, root / settings.file)
    made = fingerprint(settings, features, kind, joined)
    _check_precision(features, joined, root / settings.file)
    # planned under the lock: nobody else fills the folder from here on
    with nullcontext() if dry_run else journal.writing(folder) as lines:
        if lines:
            mend(folder, lines, made)
        planned = _plan(features, joined, folder, fingerprint_sha256(made), settings)
        log.info(
            "%s: %d videos: %d imported already, %d to do, %d without usable features; %d names of "
            "%s are not in the manifest%s",
            *(folder, len(manifest), len(planned.done) - len(planned.todo), len(planned.todo)),
            *(len(planned.failed), len(joined.unused), settings.file),
            f", first {joined.unused[:_SHOWN]}" if joined.unused else "",
        )
        if dry_run:
            return
        if planned.todo or planned.failed:
            (folder / INDEX).unlink(missing_ok=True)
        for video_id in bar(planned.todo, len(planned.todo), f"import {kind}", "video"):
            tokens = as_tokens(features.load(joined.name[video_id]), kind)
            write_tokens(token_file(folder, video_id), tokens, made, planned.done[video_id])
        _write_failures(manifest, folder, kind, planned.failed, fingerprint_sha256(made))
        source = {"file": settings.file.as_posix(), "sha256": features.sha256}
        write_index(folder, made, planned.done, {**source, "unused": len(joined.unused)})
        prune.remove(prune.waste(folder, manifest))
        shards.remove_others(folder, fingerprint_sha256(made))
    if planned.failed:
        rows = list(planned.failed.items())[:_SHOWN]
        first = "\n".join(f"  {video_id}: {why}" for video_id, why in rows)
        raise FeatureError(
            f"{len(planned.failed)} of {len(manifest)} videos have no usable features, the others "
            f"are imported; all are named in {folder / FAILURES}, the first of them:\n{first}"
        )


@dataclass(frozen=True)
class _Plan:
    """What an import would do.

    Attributes:
        done: hash of the features of every video that has usable ones.
        todo: those of them whose tokens are not there yet.
        failed: why others have none.
    """

    done: dict[str, str]
    todo: list[str]
    failed: dict[str, str]


def _plan(
    features: Features, joined: Joined, folder: Path, wanted: str, settings: FeatureSettings
) -> _Plan:
    packed = shards.places(folder, wanted)
    failed = dict.fromkeys(joined.missing, f"no features in {settings.file}")
    planned = _Plan({}, [], failed)
    for video_id, name in joined.name.items():
        array = features.load(name)
        if reason := _unfit(array):
            failed[video_id] = reason
            continue
        digest = planned.done[video_id] = _sha256(array)
        in_shard = (video_id, digest) in packed
        if not in_shard and stale_reason(token_file(folder, video_id), wanted, digest):
            planned.todo.append(video_id)
    return planned


def join(features: Features, manifest: pd.DataFrame, where: Path) -> Joined:
    """Find each video's row by its id, its file name, or either without folder or suffix.

    Raises:
        FeatureError: if a name means several videos, two names mean one, or nothing fits.
    """
    meant: dict[str, set[str]] = defaultdict(set)
    for video_id, path in zip(manifest["video_id"], manifest["path"], strict=True):
        file = Path(str(path))
        for name in {video_id, video_id + file.suffix, Path(video_id).name, file.name} - {""}:
            meant[name].add(video_id)
    ambiguous = [name for name in features.names if len(meant.get(name, ())) > 1]
    if ambiguous:
        raise FeatureError(
            f"{where}: {ambiguous[0]!r} means {len(meant[ambiguous[0]])} videos "
            f"{sorted(meant[ambiguous[0]])[:2]} ({len(ambiguous)} such names); use their ids"
        )
    names: dict[str, str] = {}
    for name in features.names:
        for video_id in meant.get(name, ()):
            if video_id in names:
                raise FeatureError(f"{where}: {names[video_id]!r} and {name!r} are one video")
            names[video_id] = name
    if not names:
        raise FeatureError(
            f"{where}: none of its {len(features.names)} names is a video of the manifest; it has "
            f"{list(features.names[:3])}, the manifest {list(manifest['video_id'][:3])}"
        )
    ordered = {v: names[v] for v in manifest["video_id"] if v in names}
    used = set(names.values())
    return Joined(
        ordered,
        [name for name in features.names if name not in used],
        [v for v in manifest["video_id"] if v not in names],
    )


def fingerprint(
    settings: FeatureSettings, features: Features, kind: Kind, joined: Joined
) -> dict[str, Any]:
    """Return what makes features comparable: what they are called, their columns and shape.

    The file's hash is not in it, or no two data sets would ever be comparable; it is in the index,
    and the hash of each video's own features stands where others have the video's.
    """
    first = features.load(next(iter(joined.name.values())))
    columns = hashlib.sha256(json.dumps(features.columns).encode()).hexdigest()
    return {
        "model": f"{settings.name} {settings.version}",
        "imported": {"version": VERSION, "per": settings.per, "columns_sha256": columns},
        "shape": list(as_tokens(first * 0, kind).tokens.shape[1:]),
        "random": False,
    }


def as_tokens(array: Array, kind: Kind) -> Tokens:
    """Return features ``(K, D)`` or ``(K, P, D)`` as tokens: spatial have P, temporal do not.

    Raises:
        FeatureError: if temporal tokens have a P.
    """
    if kind == "temporal" and array.ndim != 2:
        raise FeatureError(f"features of shape {array.shape} have positions; import as spatial")
    if kind == "spatial" and array.ndim == 2:
        array = array[:, None]
    return Tokens(array.astype(np.float16), np.arange(float(len(array))))


def _unfit(array: Array) -> str | None:
    if not np.isfinite(array).all():
        return f"{int((~np.isfinite(array)).sum())} features are not finite"
    if (largest := float(np.abs(array).max())) > MAX:
        return f"a feature of {largest:g} is beyond half precision ({MAX:g}); scale that column"
    return None


def _check_precision(features: Features, joined: Joined, where: Path) -> None:
    """Refuse features whose differences between videos half precision would round away.

    The head standardises every feature, so a constant that is added or multiplied changes nothing
    but this; it has to be the same for all data sets that are compared.
    """
    shape = features.load(next(iter(joined.name.values()))).shape[1:]
    count, shift = 0, None
    total = squares = errors = np.zeros(())
    for name in joined.name.values():
        array = features.load(name)
        if array.shape[1:] != shape:
            raise FeatureError(f"{where}: {name!r} has shape {array.shape[1:]}, others {shape}")
        if _unfit(array) is not None:
            continue
        rows = array.reshape(-1, array.shape[-1])
        shift = rows[0] if shift is None else shift
        count += len(rows)
        total = total + (rows - shift).sum(axis=0)
        squares = squares + ((rows - shift) ** 2).sum(axis=0)
        errors = errors + ((rows - rows.astype(np.float16)) ** 2).sum(axis=0)
    if count == 0:
        return
    spread = np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0))
    lost = np.atleast_1d((spread > 0) & (np.sqrt(errors / count) > LOSS * spread)).nonzero()[0]
    if len(lost):
        shown = [features.columns[i] if features.columns else int(i) for i in lost[:_SHOWN]]
        raise FeatureError(
            f"{where}: {len(lost)} features vary so little against their size, or are so small, "
            f"that half precision rounds the difference away: {shown}; subtract a constant from "
            "these columns or multiply them, the same for all data sets"
        )


def _sha256(array: Array) -> str:
    digest = hashlib.sha256(json.dumps(array.shape).encode())
    digest.update(np.ascontiguousarray(array, "<f8").data)
    return digest.hexdigest()


def _write_failures(
    manifest: pd.DataFrame, folder: Path, kind: Kind, failed: dict[str, str], settings_hash: str
) -> None:
    """Write failures.csv, and remove tokens of an earlier state of the videos in it."""
    rows = manifest.set_index("video_id").loc[sorted(failed)]
    for video_id in failed:
        token_file(folder, video_id).unlink(missing_ok=True)
    failures.write(
        folder,
        [
            Failure(video_id, path, f"import {kind}", failed[video_id], 1, sha256, settings_hash)
            for video_id, path, sha256 in zip(rows.index, rows["path"], rows["sha256"], strict=True)
        ],
    )
