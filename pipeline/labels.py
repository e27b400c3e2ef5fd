"""A folder of videos and, if there is one, its table of labels, joined without guessing."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

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
MAX_TABLE_BYTES = 500_000_000
_SHOWN = 5


class ManifestError(ValueError):
    """A data set's table and folder do not fit together; the message names the rows."""


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
    """Return one row per video of a data set.

    Args:
        settings: of the data set.
        seed: of the split, where `split: random` asks for one.

    Returns:
        Columns video_id (path below root, without suffix), path, mos (0-100, NaN if unknown),
        mos_raw, mos_source, split, content, impairment, motion; sorted by video_id.

    Raises:
        ManifestError: naming every row that is wrong: a file that is not there or is ambiguous, a
            video named twice, a MOS outside the scale, an unknown split, one content in two splits.
    """
    videos = videos_below(settings.root)
    if settings.labels is None:
        table = pd.DataFrame({"path": [str(settings.root / video) for video in videos]})
        table["video_id"] = [_id(video) for video in videos]
        table["mos_raw"] = np.nan
        where = str(settings.root)
    else:
        where = str(settings.root / settings.labels)
        table = _joined(_read_csv(settings), videos, settings, where)
    _refuse(where, _duplicates(table["video_id"]), "video named twice, or twins but for the suffix")
    span = settings.mos_max - settings.mos_min
    table["mos"] = (table["mos_raw"] - settings.mos_min) / span * 100
    _fill(table, "mos_source", settings.mos_source)
    table.loc[table["mos"].isna(), "mos_source"] = ""
    for column in ("content", "impairment", "motion"):
        _fill(table, column, "")
    if "split" not in table:
        table["split"] = (
            _random_split(table, seed) if settings.split == "random" else settings.split
        )
    wrong = table.loc[~table["split"].isin(SPLITS), "video_id"]
    _refuse(where, list(wrong), f"split is none of {', '.join(SPLITS)}")
    _refuse(where, _contents_in_two_splits(table), "content in more than one split")
    columns = ["video_id", "path", "mos", "mos_raw", "mos_source", "split"]
    columns += ["content", "impairment", "motion"]
    return table[columns].sort_values("video_id", ignore_index=True)


def _read_csv(settings: DatasetSettings) -> pd.DataFrame:
    assert settings.labels is not None
    path = settings.root / settings.labels
    if not path.is_file():
        raise ManifestError(f"{path}: no such file; set datasets.NAME.labels in params.yaml")
    if path.stat().st_size > MAX_TABLE_BYTES:
        raise ManifestError(f"{path}: over {MAX_TABLE_BYTES // 1_000_000} MB; not a label table")
    try:
        # text first: an id such as 007 or 1e5 is not a number
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, UnicodeError) as error:
        raise ManifestError(f"{path}: not a CSV table: {error}") from error
    missing = {settings.filename_column} - set(table.columns)
    if missing:
        raise ManifestError(
            f"{path}: no column {settings.filename_column!r}; it has {list(table.columns)[:12]}; "
            "set filename_column in params.yaml"
        )
    if settings.mos_column not in table:
        table[settings.mos_column] = ""
    return table


def _joined(
    table: pd.DataFrame, videos: list[Path], settings: DatasetSettings, where: str
) -> pd.DataFrame:
    """Give each row its file and its MOS as a number."""
    by_name: dict[str, list[Path]] = defaultdict(list)
    for video in videos:
        for name in {str(video), _id(video), video.name, video.stem}:
            by_name[name].append(video)
    names = [name.strip() for name in table[settings.filename_column]]
    lost = [name for name in names if name not in by_name]
    _refuse(where, lost, f"no such video below {settings.root}")
    _refuse(where, [n for n in names if len(by_name[n]) > 1], "more than one video of this name")
    files = [by_name[name][0] for name in names]
    raw = pd.to_numeric(table[settings.mos_column].replace("", None), errors="coerce")
    unread = raw.isna() & (table[settings.mos_column] != "")
    _refuse(where, _shown(names, table[settings.mos_column], unread), "MOS is not a number")
    outside = (raw < settings.mos_min) | (raw > settings.mos_max)
    limits = f"{settings.mos_min:g}..{settings.mos_max:g}"
    _refuse(
        where,
        _shown(names, raw, outside),
        f"MOS outside {limits}; mend the row, or mos_min and mos_max in params.yaml",
    )
    kept = table[
        [c for c in ("split", "content", "impairment", "motion", "mos_source") if c in table]
    ]
    return kept.assign(
        path=[str(settings.root / file) for file in files],
        video_id=[_id(file) for file in files],
        mos_raw=raw.astype(float),
    )


def _shown(names: list[str], values: "pd.Series", wrong: "pd.Series[bool]") -> list[str]:
    return [f"{names[i]}: {values.iloc[i]}" for i in wrong.to_numpy().nonzero()[0]]


def _refuse(where: str, wrong: list[str], what: str) -> None:
    if wrong:
        shown = "; ".join(repr(row)[:120] for row in wrong[:_SHOWN])
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise ManifestError(f"{where}: {what} ({len(wrong)} rows): {shown}{more}")


def _id(video: Path) -> str:
    return video.with_suffix("").as_posix()


def _fill(table: pd.DataFrame, column: str, value: str) -> None:
    table[column] = table[column].replace("", value) if column in table else value


def _duplicates(ids: "pd.Series[str]") -> list[str]:
    folded = ids.str.casefold()
    return sorted(ids[folded.duplicated(keep=False)])


def _contents_in_two_splits(table: pd.DataFrame) -> list[str]:
    known = table[table["content"] != ""]
    return [str(c) for c, splits in known.groupby("content")["split"] if splits.nunique() > 1]


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
