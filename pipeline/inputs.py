"""What a user names on the command line - files, folders, lists - as videos."""

import csv
from collections.abc import Iterable
from pathlib import Path

from pipeline.labels import ManifestError, videos_below

LISTS = (".txt", ".csv")
_COLUMNS = ("path", "video", "filename")  # of a CSV: the first of these that it has


class InputError(ValueError):
    """Something named is not there, or holds no video."""


def videos(named: Iterable[Path]) -> list[Path]:
    """Return the videos of files, folders (at any depth) and lists, each once, in their order.

    A list is a .txt with a path a line (`#` begins a comment) or a .csv with a column path, video
    or filename; its relative paths start from here or, where nothing is there, from its folder.
    Whether a listed file exists is seen when it is scored.

    Raises:
        InputError: if a name is nothing that exists, or a folder or list is empty.
    """
    found: dict[Path, None] = {}
    for path in named:
        if path.is_dir():
            try:
                some = [path / below for below in videos_below(path)]
            except ManifestError as error:
                raise InputError(str(error)) from error
        elif not path.exists():
            raise InputError(f"{path}: no such file or folder")
        elif path.suffix.lower() in LISTS:
            some = [_placed(name, path) for name in _names(path)]
            if not some:
                raise InputError(f"{path}: lists no video")
        else:
            some = [path]
        found.update(dict.fromkeys(some))
    return list(found)


def _names(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: a list must be UTF-8 text: {error}") from error
    if path.suffix.lower() == ".txt":
        lines = (line.strip() for line in text.splitlines())
        return [line for line in lines if line and not line.startswith("#")]
    rows = csv.DictReader(text.splitlines())
    column = next((name for name in _COLUMNS if name in (rows.fieldnames or ())), None)
    if column is None:
        raise InputError(f"{path}: wanted one of the columns {_COLUMNS}, found {rows.fieldnames}")
    return [row[column] for row in rows if row[column]]


def _placed(name: str, listed_in: Path) -> Path:
    beside = listed_in.parent / name
    return beside if not Path(name).exists() and beside.exists() else Path(name)
