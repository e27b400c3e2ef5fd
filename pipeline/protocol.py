"""Which videos of a data set are trained, chosen and tested on, where it is tuned on by parts.

`folds`: every video is tested once; the published folds where the manifest has a column `fold`,
else folds of whole contents drawn by seed. `splits`: for each part a new draw of whole contents.
Part of the training videos, again whole contents, is held out to choose the epoch (split val); the
test videos never take part in that.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.settings import ProtocolSettings


class ProtocolError(ValueError):
    """A data set cannot be divided as asked."""


def divide(
    table: pd.DataFrame, dataset: str, settings: ProtocolSettings, part: int, seed: int
) -> list[str]:
    """Return the split of each row (train, val or test) in one part of the protocol.

    Args:
        table: a manifest, labelled rows only.
        dataset: its name, for errors.
        part: one of settings.parts.
        seed: of everything that is drawn.

    Raises:
        ProtocolError: if there is no such part, a content lies in two folds, or there are too few
            contents.
    """
    if part not in settings.parts:
        raise ProtocolError(f"{dataset}: no part {part}; protocol.parts has {settings.parts}")
    contents = contents_of(table)
    if settings.scheme == "folds":
        is_test = folds(table, dataset, len(settings.parts), seed) == part
    else:
        is_test = _drawn(contents, np.ones(len(table), bool), settings.test_share, (seed, part))
    is_val = _drawn(contents, ~is_test, settings.val_share, (seed, part, 1))
    split = np.where(is_test, "test", np.where(is_val, "val", "train"))
    if not (split == "train").any() or not (split == "test").any():
        raise ProtocolError(f"{dataset}: {len(set(contents))} contents are too few to be divided")
    return [str(name) for name in split]


def contents_of(table: pd.DataFrame) -> list[str]:
    """Return what each row is divided by: its content or, where unknown, the video itself."""
    return [
        f"content {content}" if content else f"video {video}"
        for content, video in zip(table["content"], table["video_id"], strict=True)
    ]


def folds(table: pd.DataFrame, dataset: str, count: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each row, 1 to `count`: the published one, or one drawn by seed.

    Raises:
        ProtocolError: if the manifest publishes folds for some rows only, or another number of
            them, or has a content in two of them.
    """
    contents = contents_of(table)
    found = table["fold"] if "fold" in table else pd.Series(np.nan, table.index)
    published = found.astype("Float64").to_numpy(np.float64, na_value=np.nan)
    if np.isnan(published).all():
        return _seeded_folds(contents, count, seed)
    if np.isnan(published).any():
        lost = list(table["video_id"][np.isnan(published)])
        raise ProtocolError(f"{dataset}: {len(lost)} videos have no fold: {', '.join(lost[:5])}")
    names, fold = np.unique(published, return_inverse=True)
    if len(names) != count:
        raise ProtocolError(
            f"{dataset}: its manifest has {len(names)} folds, protocol.parts {count}; "
            f"set protocol.parts to {list(range(1, len(names) + 1))}"
        )
    spread = pd.Series(fold).groupby(contents).nunique()
    shared = [str(content) for content in spread.index[spread > 1]]
    if shared:
        raise ProtocolError(
            f"{dataset}: {len(shared)} contents lie in more than one fold: {', '.join(shared[:5])}"
        )
    return fold.astype(np.int64) + 1


def _seeded_folds(contents: Sequence[str], count: int, seed: int) -> NDArray[np.int64]:
    """Deal whole contents, in an order drawn by seed, each to the fold with the fewest videos."""
    names, of_row, sizes = np.unique(contents, return_inverse=True, return_counts=True)
    fold, filled = np.zeros(len(names), np.int64), np.zeros(count, np.int64)
    for content in np.random.default_rng(seed).permutation(len(names)):
        smallest = int(filled.argmin())
        fold[content] = smallest + 1
        filled[smallest] += sizes[content]
    return fold[of_row]


def _drawn(
    contents: Sequence[str], among: NDArray[np.bool_], share: float, seed: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Return which rows are drawn: whole contents until about `share` of the rows `among`."""
    names, of_row = np.unique(contents, return_inverse=True)
    place = np.random.default_rng(seed).permutation(len(names))[of_row]
    order = np.argsort(np.where(among, place, len(names)), kind="stable")
    wanted = round(share * among.sum())
    taken = set(of_row[order[:wanted]])
    drawn: NDArray[np.bool_] = among & np.isin(of_row, list(taken))
    return drawn
