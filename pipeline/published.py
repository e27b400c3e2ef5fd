"""Published data sets: facts about how each is laid out, and what joins its labels to its files.

A data set is an adapter, one module of `pipeline.datasets`; see docs/new-dataset.md.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from pipeline.formats import column, read_table
from pipeline.labels import (
    CHUNK_COLUMNS,
    SUFFIXES,
    Labels,
    ManifestError,
    finished,
    numbers,
    refuse,
    refuse_missing,
    twins,
    videos_below,
)
from pipeline.settings import DatasetSettings

log = logging.getLogger(__name__)
_MANY = 10  # scores of that many videos are never all alike


@dataclass(frozen=True, kw_only=True)
class Form:
    """A form in which labels are published. Columns are named as `pipeline.formats.column` does."""

    files: tuple[str, ...]  # what the file is called; it may lie anywhere below the root
    name: str = ""  # the column that names the video
    joined: tuple[str, ...] = ()  # or the columns that do so together, to be joined by `_`
    mos: str
    std: str = ""  # of the raters
    ratings: str = ""  # how many
    content: str = ""
    arrays: tuple[str, ...] = ()  # of a .mat file: the variables to read, the columns named above
    sheet: str = ""  # of an .xlsx file; "": the first
    sep: str = ","  # of a text file; with ";" numbers have a decimal comma
    header: tuple[str, ...] = ()  # of a text file without a line that names its columns
    across: bool = False  # the videos are the columns, the first column names the rows
    times: float = 1.0  # the file's numbers are the data set's own times this
    only: tuple[str, str] = ("", "")  # a column, and the value that the rows to take have in it


@dataclass(frozen=True)
class Chunk:
    """A part of each video that has labels of its own, in columns of the same table."""

    start_s: float
    end_s: float
    mos: str
    std: str


def stem(name: str) -> str:
    """Return a file's name without folder and video suffix.

    >>> stem("Video/A001.mp4"), stem("In0904.58"), stem("clip.mp4.mp4")
    ('A001', 'In0904.58', 'clip')
    """
    path = PurePosixPath(name.replace("\\", "/"))
    while path.suffix.lower() in SUFFIXES | {".yuv"}:
        path = path.with_suffix("")
    return path.name


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What there is to know about a published data set."""

    title: str
    scale: tuple[float, float]  # the documented ends of its MOS
    # by published split ("" if there is none): its forms, of which the first that is there is read
    forms: Mapping[str, Sequence[Form]]
    folders: tuple[str, ...] = ()  # below the root; the videos are in the first that is there
    video_id: Callable[[str], str] = stem  # from a name in the labels or a path below that folder
    content: Callable[[str], str] | None = None  # the source content, from the id
    folds: tuple[str, ...] = ()  # files of published folds, in order; each lists its videos
    chunks: tuple[Chunk, ...] = ()


def read_published(facts: Facts, settings: DatasetSettings, seed: int) -> Labels:
    """Return the labels of a published data set, joined with its files.

    Args:
        facts: about the data set.
        settings: where it lies; `labels` names a file to read where several forms are there.
        seed: of the split, where the data set has none and `split: random` asks for one.

    Raises:
        ManifestError: if there are no labels in a known form, or their rows and the files do not
            fit together: an id twice, in letter case only, or for two files; a MOS that is no
            number, outside the documented scale or on another; videos missing that may not be.
    """
    root = settings.root
    folder = next((root / name for name in facts.folders if (root / name).is_dir()), root)
    videos = _by_id(folder, facts)
    tables = _Tables(root, settings.labels)
    rows = _all_rows(tables, facts)
    where = f"{facts.title} in {root}"
    _refuse_other_scale(where, rows["mos_raw"], facts.scale)
    refuse(where, _unlike_file(rows["video_id"], videos), "differs from the file in case only")
    refuse(where, _shared(rows["video_id"], videos), "several files of one video")
    there = rows["video_id"].isin(list(videos))
    missing = list(rows["name"][~there])
    refuse_missing(where, missing, settings)
    rows = rows[there].reset_index(drop=True)
    if rows.empty:
        raise ManifestError(f"{where}: none of {len(missing)} labelled videos is below {folder}")
    rows["path"] = [str(folder / videos[video_id][0]) for video_id in rows["video_id"]]
    if facts.content:
        rows["content"] = [facts.content(video_id) for video_id in rows["video_id"]]
    rows = _with_folds(rows, root, facts)
    extra = sorted(set(videos) - set(rows["video_id"]))
    return Labels(
        finished(rows, facts.scale, settings, seed, where),
        tuple(missing),
        tuple(path.as_posix() for video_id in extra for path in videos[video_id]),
        _chunks(rows, facts, where),
    )


class _Tables:
    """The files below a root, to be asked for by name."""

    def __init__(self, root: Path, chosen: Path | None) -> None:
        self.root = root
        self._files: dict[str, list[Path]] = defaultdict(list)
        if chosen is not None and not (root / chosen).is_file():
            raise ManifestError(f"{root / chosen}: no such file; see datasets.NAME.labels")
        for path in [root / chosen] if chosen is not None else root.rglob("*"):
            if path.suffix.lower() not in SUFFIXES and path.is_file():
                self._files[path.name].append(path)

    def find(self, names: Sequence[str]) -> Path | None:
        """Return the first of `names` that is there; copies must be equal."""
        for name in names:
            found = sorted(self._files.get(name, []))
            if len({path.read_bytes() for path in found}) > 1:
                raise ManifestError(
                    f"{self.root}: {len(found)} different files are called {name}: "
                    f"{', '.join(str(path.relative_to(self.root)) for path in found[:3])}; "
                    "say which in datasets.NAME.labels"
                )
            if found:
                return found[0]
        return None


def _by_id(folder: Path, facts: Facts) -> dict[str, list[Path]]:
    """Return the videos below `folder`, relative to it, by id."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in videos_below(folder):
        found[facts.video_id(path.as_posix())].append(path)
    return dict(found)


def _all_rows(tables: _Tables, facts: Facts) -> pd.DataFrame:
    """Return the rows of every split, each from the first form that is there."""
    parts = []
    for split, forms in facts.forms.items():
        for form in forms:
            path = tables.find(form.files)
            if path is not None:
                part = _rows(path, form, facts)
                log.info("%s: %d labels of %s %s", path, len(part), facts.title, split)
                parts.append(part.assign(split=split) if split else part)
                break
    if not parts:
        known = [name for forms in facts.forms.values() for form in forms for name in form.files]
        raise ManifestError(
            f"{tables.root}: no labels of {facts.title} that are known; wanted one of "
            f"{', '.join(dict.fromkeys(known))}"
        )
    rows = pd.concat(parts, ignore_index=True)
    refuse(
        f"{facts.title} in {tables.root}",
        sorted(rows["name"][rows["video_id"].isin(twins(rows["video_id"]))]),
        "labelled twice, or alike but for suffix, folder or case",
    )
    return rows


def _rows(path: Path, form: Form, facts: Facts) -> pd.DataFrame:
    """Return a file's rows: video_id, name, mos_raw, and what else it tells, as text."""
    table = read_table(path, form.arrays, form.sep, form.header, form.sheet)
    if form.across:
        table = table.set_index(table.columns[0]).T.rename_axis("name").reset_index()
    only, value = form.only
    if only:
        table = table[table[_need(table, only, path)].str.casefold() == value.casefold()]
        table = table.reset_index(drop=True)
    parts = [table[_need(table, part, path)] for part in form.joined or (form.name,)]
    names = ["_".join(row) for row in zip(*parts, strict=True)]
    rows = pd.DataFrame({"video_id": [facts.video_id(name) for name in names], "name": names})
    refuse(str(path), [str(i) for i in rows.index[rows["video_id"] == ""]], "rows without a name")
    raw = _numeric(table[_need(table, form.mos, path)], form)
    rows["mos_raw"] = numbers(names, raw, "MOS", str(path)) / form.times
    optional = {"mos_std": form.std, "n_ratings": form.ratings}
    for part in facts.chunks:
        optional |= {part.mos: part.mos, part.std: part.std}
    for target, source in optional.items():
        found = column(table, source)
        if found:
            rows[target] = _numeric(table[found], form)
    found = column(table, form.content)
    return rows.assign(content=table[found]) if found else rows


def _numeric(values: "pd.Series[str]", form: Form) -> "pd.Series[str]":
    """Return numbers as text with a decimal point, "" where MATLAB or pandas wrote NaN."""
    values = values.where(values.str.casefold() != "nan", "")
    return values.str.replace(",", ".") if form.sep == ";" else values


def _need(table: pd.DataFrame, names: str, path: Path) -> str:
    found = column(table, names)
    if found is None:
        raise ManifestError(f"{path}: no column {names!r}; it has {list(table.columns)[:12]}")
    return found


def _refuse_other_scale(where: str, raw: "pd.Series[float]", scale: tuple[float, float]) -> None:
    """Refuse scores of 0-1 or 1-5 where 0-100 is documented: each by itself could be right."""
    low, high = scale
    if raw.count() >= _MANY and raw.max() - raw.min() < (high - low) / 10:
        raise ManifestError(
            f"{where}: all {raw.count()} MOS lie in {raw.min():g}..{raw.max():g} of the documented "
            f"{low:g}..{high:g}; they are on another scale: name another list in labels, or use "
            "adapter csv with its mos_min and mos_max"
        )


def _unlike_file(ids: "pd.Series[str]", videos: Mapping[str, Sequence[Path]]) -> list[str]:
    folded = {name.casefold(): name for name in videos}
    return [
        f"{i}: {folded[i.casefold()]}" for i in ids if i not in videos and i.casefold() in folded
    ]


def _shared(ids: "pd.Series[str]", videos: Mapping[str, Sequence[Path]]) -> list[str]:
    found = [(name, videos.get(name, ())) for name in ids]
    return [f"{name}: {', '.join(map(str, paths[:3]))}" for name, paths in found if len(paths) > 1]


def _with_folds(rows: pd.DataFrame, root: Path, facts: Facts) -> pd.DataFrame:
    """Give each row its published fold, where the lists of all folds are there."""
    if not facts.folds:
        return rows
    tables = _Tables(root, None)
    paths = [tables.find([name]) for name in facts.folds]
    fold: dict[str, str] = {}
    for number, path in enumerate(paths):
        if path is None:
            return rows
        table = read_table(path)
        ids = {facts.video_id(name) for name in table[_need(table, "imageid name", path)]}
        refuse(str(path), sorted(ids & set(fold)), "in an earlier fold too")
        fold |= dict.fromkeys(ids, str(number))
    return rows.assign(fold=[fold.get(name, "") for name in rows["video_id"]]) if fold else rows


def _chunks(rows: pd.DataFrame, facts: Facts, where: str) -> pd.DataFrame:
    """Return the labels of parts of videos that the table has, scores on 0-100 beside the raw."""
    low, high = facts.scale
    found = []
    for part in facts.chunks:
        if part.mos in rows:
            raw = numbers(list(rows["name"]), rows[part.mos], part.mos, where)
            refuse(
                where,
                list(rows["name"][(raw < low) | (raw > high)]),
                f"{part.mos} outside {low:g}..{high:g}",
            )
            std = (
                numbers(list(rows["name"]), rows[part.std], part.std, where)
                if part.std in rows
                else pd.Series(np.nan, rows.index)
            )
            chunk = pd.DataFrame({"video_id": rows["video_id"], "mos_raw": raw})
            chunk["mos"] = (raw - low) / (high - low) * 100
            chunk["mos_std"] = std / (high - low) * 100
            found.append(chunk.assign(start_s=part.start_s, end_s=part.end_s)[raw.notna()])
    if not found:
        return pd.DataFrame(columns=list(CHUNK_COLUMNS))
    table = pd.concat(found)[list(CHUNK_COLUMNS)]
    return table.sort_values(["video_id", "start_s"], ignore_index=True)
