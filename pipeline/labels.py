"""A folder of videos and, if there is one, its table of labels, joined without guessing."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from llm_head.questions import CLOSED
from pipeline import tables
from pipeline.settings import DatasetSettings

SUFFIXES = frozenset(
    {
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".flv",
        ".ts",
        ".mts",
        ".mpg",
        ".mpeg",
        ".vob",
        ".wmv",
        ".asf",
        ".ogv",
        ".gif",
        ".3gp",
        ".3g2",
        ".mxf",
        ".y4m",
        ".ivf",
        ".rm",
        ".f4v",
    }
)
SPLITS = ("train", "val", "test")
COLUMNS = (
    *("video_id", "path", "mos", "mos_raw", "mos_std", "n_ratings", "mos_source"),
    *("split", "fold", "content", *CLOSED),
)
CHUNK_COLUMNS = ("video_id", "start_s", "end_s", "mos", "mos_raw", "mos_std")
_SHOWN = 5


class ManifestError(ValueError):
    """A data set's table and folder do not fit together; the message names the rows."""


@dataclass(frozen=True)
class Labels:
    """What an adapter of `pipeline.datasets` returns."""

    table: pd.DataFrame  # COLUMNS, one row per video that is there, sorted by video_id
    missing: tuple[str, ...] = ()  # labelled videos that are not in the folder
    extra: tuple[str, ...] = ()  # videos in the folder without a label
    chunks: pd.DataFrame = field(  # labels of parts of videos: CHUNK_COLUMNS
        default_factory=lambda: pd.DataFrame(columns=list(CHUNK_COLUMNS))
    )


def videos_below(root: Path) -> list[Path]:
    """Return every file below `root` that has a video's suffix, sorted, relative to it.

    Raises:
        ManifestError: if `root` is not a folder or holds none.
    """
    if not root.is_dir():
        raise ManifestError(f"{root}: no such folder; set datasets.NAME.root in params.yaml")
    found = sorted(
        path.relative_to(root)
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
    if not found:
        raise ManifestError(f"{root}: no video in it (looked for {' '.join(sorted(SUFFIXES))})")
    return found


def read_labels(settings: DatasetSettings, seed: int) -> pd.DataFrame:
    """Return the table of `read_folder`."""
    return read_folder(settings, seed).table


def read_folder(settings: DatasetSettings, seed: int) -> Labels:
    """Return one row per video of a folder, joined with the folder's CSV of labels if it has one.

    Args:
        settings: of the data set.
        seed: of the split, where `split: random` asks for one.

    Returns:
        A table of video_id (path below root, without suffix), path, mos (0-100, NaN if unknown),
        mos_raw, mos_std (of the raters, on 0-100), n_ratings, mos_source, split, fold, content,
        impairment, severity, motion; sorted by video_id.

    Raises:
        ManifestError: naming every row that is wrong: a file that is not there or is ambiguous, a
            video named twice, a MOS outside the scale, an unknown split, one content in two splits
            or folds.
    """
    videos = videos_below(settings.root)
    missing: list[str] = []
    if settings.labels is None:
        table = pd.DataFrame({"path": [str(settings.root / video) for video in videos]})
        table["video_id"] = [_id(video) for video in videos]
        table["mos_raw"] = np.nan
        where = str(settings.root)
    else:
        where = str(settings.root / settings.labels)
        table, missing = _joined(_read_csv(settings), videos, settings, where)
    if table.empty:
        raise ManifestError(f"{where}: no row has a video below {settings.root}")
    refuse(where, twins(table["video_id"]), "video named twice, or twins but for the suffix")
    scale = (settings.mos_min, settings.mos_max)
    labelled = set(table["path"])
    extra = [str(video) for video in videos if str(settings.root / video) not in labelled]
    done = finished(table, scale, settings, seed, where)
    return Labels(done, tuple(missing), tuple(extra))


def finished(
    table: pd.DataFrame,
    scale: tuple[float, float],
    settings: DatasetSettings,
    seed: int,
    where: str,
) -> pd.DataFrame:
    """Return a table with every column of COLUMNS, scores on 0-100, checked and sorted.

    Args:
        table: video_id, path, mos_raw and, where known, others of COLUMNS as text, mos_std on the
            data set's own scale; `name`, what the labels call the video, for error messages.
        scale: the ends of the data set's own scale.
        settings: of the data set, for the split and the source of the scores.
        seed: of a random split.
        where: what error messages begin with.

    Raises:
        ManifestError: naming every row that is wrong.
    """
    names = _named(table)
    low, high = scale
    outside = (table["mos_raw"] < low) | (table["mos_raw"] > high)
    refuse(
        where,
        _shown(names, table["mos_raw"], outside),
        f"MOS outside {low:g}..{high:g}; mend the row"
        + (", or mos_min and mos_max in params.yaml" if settings.adapter == "csv" else ""),
    )
    table = table.copy()
    table["mos"] = (table["mos_raw"] - low) / (high - low) * 100
    table["mos_std"] = _not_negative(table, "mos_std", where) / (high - low) * 100
    for column in ("n_ratings", "fold"):
        table[column] = _whole(table, column, where)
    _fill(table, "mos_source", settings.mos_source)
    table.loc[table["mos"].isna(), "mos_source"] = ""
    for column in ("content", *CLOSED):
        _fill(table, column, "")
    if "split" not in table:
        table["split"] = (
            _random_split(table, seed) if settings.split == "random" else settings.split
        )
    wrong = table.loc[~table["split"].isin(SPLITS), "video_id"]
    refuse(where, list(wrong), f"split is none of {', '.join(SPLITS)}")
    for part in ("split", "fold"):
        refuse(where, _contents_in_two(table, part), f"content in more than one {part}")
    return table[list(COLUMNS)].sort_values("video_id", ignore_index=True)


def _read_csv(settings: DatasetSettings) -> pd.DataFrame:
    assert settings.labels is not None
    path = settings.root / settings.labels
    if not path.is_file():
        raise ManifestError(f"{path}: no such file; set datasets.NAME.labels in params.yaml")
    try:
        table = tables.read_csv(path)  # as text: an id such as 007 or 1e5 is not a number
    except tables.TableError as error:
        raise ManifestError(str(error)) from error
    missing = {settings.filename_column} - set(table.columns)
    if missing:
        raise ManifestError(
            f"{path}: no column {settings.filename_column!r}; it has {list(table.columns)[:12]}; "
            "set filename_column in params.yaml"
        )
    if table.empty:
        raise ManifestError(f"{path}: no row below the header")
    if settings.mos_column not in table:
        table[settings.mos_column] = ""
    return table


def _joined(
    table: pd.DataFrame, videos: list[Path], settings: DatasetSettings, where: str
) -> tuple[pd.DataFrame, list[str]]:
    """Give each row its file and its MOS as a number; also return the names without a file."""
    by_name: dict[str, list[Path]] = defaultdict(list)
    for video in videos:
        for name in {str(video), _id(video), video.name, video.stem}:
            by_name[name].append(video)
    table = table.assign(name=table[settings.filename_column].str.strip())
    lost = [name for name in table["name"] if name not in by_name]
    refuse_missing(where, lost, settings)
    table = table[~table["name"].isin(lost)].reset_index(drop=True)
    names = list(table["name"])
    refuse(where, [n for n in names if len(by_name[n]) > 1], "more than one video of this name")
    files = [by_name[name][0] for name in names]
    raw = numbers(names, table[settings.mos_column], "MOS", where)
    known = ("name", "split", "fold", "content", *CLOSED, "mos_source", "mos_std", "n_ratings")
    kept = table[[*(c for c in known if c in table)]]
    joined = kept.assign(
        path=[str(settings.root / file) for file in files],
        video_id=[_id(file) for file in files],
        mos_raw=raw,
    )
    return joined, lost


def refuse_missing(where: str, lost: list[str], settings: DatasetSettings) -> None:
    """Raise ManifestError where labelled videos are not there, unless the settings allow it."""
    if not settings.allow_missing:
        refuse(
            where,
            lost,
            f"no such video below {settings.root}; get them, or set allow_missing: true",
        )


def numbers(
    names: Sequence[str], values: "pd.Series[str]", what: str, where: str
) -> "pd.Series[float]":
    """Return text as numbers, "" as NaN.

    Raises:
        ManifestError: naming the rows that hold neither.
    """
    found = pd.to_numeric(values.replace("", None), errors="coerce").astype(float)
    refuse(where, _shown(names, values, found.isna() & (values != "")), f"{what} is not a number")
    return found


def _not_negative(table: pd.DataFrame, column: str, where: str) -> "pd.Series[float]":
    if column not in table:
        return pd.Series(np.nan, table.index)
    names = _named(table)
    found = numbers(names, table[column].fillna(""), column, where)
    refuse(
        where, _shown(names, found, (found < 0) | np.isinf(found)), f"{column} below 0 or infinite"
    )
    return found


def _whole(table: pd.DataFrame, column: str, where: str) -> "pd.Series[int]":
    found = _not_negative(table, column, where)
    broken = found.notna() & (found != found.round())
    refuse(where, _shown(_named(table), found, broken), f"{column} is not whole")
    return found.astype("Int64")


def _named(table: pd.DataFrame) -> list[str]:
    return list(table["name"] if "name" in table else table["video_id"])


def _shown(names: Sequence[str], values: "pd.Series", wrong: "pd.Series[bool]") -> list[str]:
    return [f"{names[i]}: {values.iloc[i]}" for i in wrong.to_numpy().nonzero()[0].tolist()]


def refuse(where: str, wrong: Sequence[str], what: str) -> None:
    """Raise ManifestError with the count and the first of `wrong`, if there is any."""
    if wrong:
        shown = "; ".join(repr(row)[:120] for row in wrong[:_SHOWN])
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise ManifestError(f"{where}: {what} ({len(wrong)} rows): {shown}{more}")


def _id(video: Path) -> str:
    return tables.printable(video.with_suffix("").as_posix())


def _fill(table: pd.DataFrame, column: str, value: str) -> None:
    table[column] = table[column].replace("", value) if column in table else value


def twins(ids: "pd.Series[str]") -> list[str]:
    """Return the ids that are there twice, or differ in letter case only."""
    folded = ids.str.casefold()
    return sorted(ids[folded.duplicated(keep=False)])


def _contents_in_two(table: pd.DataFrame, part: str) -> list[str]:
    known = table[(table["content"] != "") & table[part].notna()]
    return [str(c) for c, parts in known.groupby("content")[part] if parts.nunique() > 1]


def _random_split(table: pd.DataFrame, seed: int) -> list[str]:
    """Return a 70/10/20 split that keeps one content (or, where unknown, one video) together."""
    content = table["content"].where(table["content"] != "", table["video_id"])
    unique = sorted(content.unique())
    order = np.random.default_rng(seed).permutation(len(unique))
    train, val = round(0.7 * len(unique)), round(0.8 * len(unique))
    place = {
        unique[index]: "train" if rank < train else "val" if rank < val else "test"
        for rank, index in enumerate(order)
    }
    return [place[c] for c in content]
