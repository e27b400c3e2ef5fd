"""Leaks: a test video that was trained on, as the same file or as another encoding of it.

Splits by name do not see a video that two data sets share, or that was uploaded twice. Two videos
count as the same if their content hash is, or if at least half of the seconds of the shorter one
have a key frame that looks like one of the other's. Not seen: a copy that is mirrored, cropped, has
borders added, or whose cuts lie between the seconds of fast motion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

VERSION = 1  # of the hashes; raised when the same video would get others
BITS = 256
COLUMNS = ("video_id", "sha256", "split", "version", "hashes")
MAX_BITS = (
    38  # that may differ, 15 %; benchmarks/duplicates.py shows how often either error happens
)
MIN_SHARE = 0.5  # of the seconds of the shorter video
_BLOCK = 4096
_SHOWN = 5


class LeakError(RuntimeError):
    """A test video is among the training videos, or hashes are missing."""


@dataclass(frozen=True)
class Seen:
    """One video as the check sees it.

    Attributes:
        name: data set and video_id.
        sha256: of the file.
        hashes: bool ``(n, 256)``, of the seconds that have one.
    """

    name: str
    sha256: str
    hashes: NDArray[np.bool_]


@dataclass(frozen=True)
class Leak:
    """A training video and the test video that it gives away."""

    train: str
    test: str
    why: str


def read(path: Path) -> pd.DataFrame:
    """Read the hashes of a data set.

    Raises:
        LeakError: if the file is missing or is something else.
    """
    if not path.is_file():
        raise LeakError(f"{path}: missing; run `lmm-vqa hashes {path.stem}`")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if tuple(table.columns) != COLUMNS:
        raise LeakError(f"{path}: columns {list(table.columns)}, wanted {list(COLUMNS)}; run again")
    return table


def seen(table: pd.DataFrame, dataset: str, splits: Sequence[str]) -> list[Seen]:
    """Return the videos of some splits.

    Args:
        table: from `read`.
    """
    rows = table[table["split"].isin(splits)]
    return [
        Seen(f"{dataset}/{video_id}", sha256, bits(hashes))
        for video_id, sha256, hashes in zip(
            rows["video_id"], rows["sha256"], rows["hashes"], strict=True
        )
    ]


def bits(hashes: str) -> NDArray[np.bool_]:
    """Return hashes, 64 hex digits each, separated by spaces, as bool ``(n, 256)``."""
    raw = np.frombuffer(bytes.fromhex(hashes.replace(" ", "")), np.uint8)
    return np.unpackbits(raw.reshape(-1, BITS // 8), axis=1).astype(bool)


def find(train: Sequence[Seen], test: Sequence[Seen]) -> list[Leak]:
    """Return every pair of a training and a test video that hold the same pictures, by name."""
    by_hash: dict[str, list[str]] = {}
    for video in train:
        if video.sha256:  # a file that was gone has none
            by_hash.setdefault(video.sha256, []).append(video.name)
    leaks = {
        (name, video.name): "the same file"
        for video in test
        for name in by_hash.get(video.sha256, [])
    }
    for pair, why in _alike(train, test).items():
        leaks.setdefault(pair, why)
    return [Leak(*pair, why) for pair, why in sorted(leaks.items())]


def _alike(train: Sequence[Seen], test: Sequence[Seen]) -> dict[tuple[str, str], str]:
    frames = [_frames(side) for side in (train, test)]
    matches = []
    for a in range(0, len(frames[0][0]), _BLOCK):
        for b in range(0, len(frames[1][0]), _BLOCK):
            # of signs, the product of two rows is 256 - 2 x the bits in which they differ
            alike = frames[0][0][a : a + _BLOCK] @ frames[1][0][b : b + _BLOCK].T
            matches.append(np.argwhere(alike >= BITS - 2 * MAX_BITS) + np.array([a, b]))
    found = np.concatenate(matches) if matches else np.empty((0, 2), int)
    pairs = pd.DataFrame(
        {
            **{"train": frames[0][1][found[:, 0]], "test": frames[1][1][found[:, 1]]},
            **{"train_frame": found[:, 0], "test_frame": found[:, 1]},
        }
    )
    counts = pairs.groupby(["train", "test"], as_index=False).nunique()
    leaks = {}
    for i, j, of_train, of_test in counts.itertuples(index=False):
        ours, theirs = len(train[i].hashes), len(test[j].hashes)
        hits = of_train if ours <= theirs else of_test
        if hits >= MIN_SHARE * min(ours, theirs):
            why = f"{hits} of {min(ours, theirs)} seconds look alike"
            leaks[train[i].name, test[j].name] = why
    return leaks


def _frames(side: Sequence[Seen]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return all hashes of a side as signs ``(n, 256)``, and the video of each ``(n,)``."""
    empty = np.zeros((0, BITS), bool)
    signs = np.concatenate([empty, *(video.hashes for video in side)]).astype(np.float32) * 2 - 1
    return signs, np.repeat(np.arange(len(side)), [len(video.hashes) for video in side])


def describe(leaks: Sequence[Leak]) -> str:
    """Return a few leaks by name, and how many there are."""
    shown = "; ".join(f"{leak.test} is {leak.train} ({leak.why})" for leak in leaks[:_SHOWN])
    more = f" and {len(leaks) - _SHOWN} more" if len(leaks) > _SHOWN else ""
    return (
        f"{len(leaks)} pairs of a test and a training video hold the same pictures: {shown}{more}"
    )


def refuse(leaks: Sequence[Leak], where: str) -> None:
    """Raise if there are leaks.

    Raises:
        LeakError: with names, and what to do.
    """
    if leaks:
        raise LeakError(
            f"{where}: {describe(leaks)}. Take them out of one side (columns split and content of "
            "the labels), or set protocol.leaks to report and say so with the results"
        )
