"""The manifest: every video of a data set with its label, content hash and probed facts."""

import csv
from pathlib import Path

import pandas as pd

from llm_head.questions import CLOSED
from pipeline import tables
from pipeline.atomic import replacing
from pipeline.labels import SPLITS, ManifestError

TEXT_COLUMNS = (
    *("video_id", "path", "sha256", "mos_source", "split", "content"),
    *(*CLOSED, "codec", "problem"),
)
NUMBER_COLUMNS = ("mos", "mos_raw", "mos_std", "width", "height", "fps", "duration_s")
INTEGER_COLUMNS = ("n_ratings", "fold", "size_bytes")
COLUMNS = (
    *("video_id", "path", "sha256", "mos", "mos_raw", "mos_std", "n_ratings", "mos_source"),
    *("split", "fold", "content", *CLOSED),
    *("width", "height", "fps", "duration_s", "size_bytes", "codec", "problem"),
)
# a manifest written before these existed still reads, with nothing known in them
LATER_COLUMNS = {
    **{"mos_std": "float64", "n_ratings": "Int64", "fold": "Int64", "size_bytes": "Int64"},
}


def write(path: Path, table: pd.DataFrame) -> None:
    """Write a manifest as CSV, atomically; the same table gives the same bytes.

    Text is quoted, for a file's name may hold line ends, and its bytes are kept as they are, for
    they may be no UTF-8.
    """
    with replacing(path) as tmp:
        table.to_csv(
            tmp,
            index=False,
            lineterminator="\n",
            quoting=csv.QUOTE_NONNUMERIC,
            encoding="utf-8",
            errors="surrogateescape",
        )


def read(path: Path) -> pd.DataFrame:
    """Read a manifest; where nothing is known, text is "", numbers are NaN, integers <NA>.

    ``mos`` and ``mos_std`` (the deviation between raters) are on 0-100, ``mos_raw`` on the data
    set's own scale; ``fold`` is the published one; ``size_bytes`` is the whole file's.

    Raises:
        ManifestError: if the file is missing, is no manifest, or a row cannot be right.
    """
    if not path.is_file():
        raise ManifestError(f"{path}: missing; run `lmm-vqa manifest {path.parent.name}`")
    try:
        table = tables.read_csv(
            path,
            dtype=dict.fromkeys(TEXT_COLUMNS, str)
            | dict.fromkeys(NUMBER_COLUMNS, float)
            | dict.fromkeys(INTEGER_COLUMNS, "Int64"),
            na_values={column: [""] for column in NUMBER_COLUMNS + INTEGER_COLUMNS},
        )
    except tables.TableError as error:
        raise ManifestError(f"{error}; run the manifest stage again") from error
    for column, dtype in LATER_COLUMNS.items():
        if column not in table:
            table[column] = pd.Series(None, table.index, dtype=dtype)
    for column in ("severity", "problem"):
        if column not in table:
            table[column] = ""
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise ManifestError(f"{path}: columns {missing} are missing; run the manifest stage again")
    _check(path, table)
    return table


def _check(path: Path, table: pd.DataFrame) -> None:
    """Refuse rows that no manifest stage has written; looks at all rows at once."""
    numbers = table[["width", "height", "fps", "duration_s"]]
    wrong = {
        "video_id is empty or not unique": (table["video_id"] == "")
        | table["video_id"].duplicated(keep=False),
        "sha256 is not 64 hex digits": ~table["sha256"].str.fullmatch(r"([0-9a-f]{64})?"),
        "mos is outside 0..100": (table["mos"] < 0) | (table["mos"] > 100),
        f"split is none of {', '.join(SPLITS)}": ~table["split"].isin((*SPLITS, "")),
        "a size, rate or duration is negative or infinite": (numbers < 0).any(axis=1)
        | (numbers == float("inf")).any(axis=1),
    }
    for what, rows in wrong.items():
        if rows.any():
            at = int(rows.to_numpy().argmax())
            raise ManifestError(
                f"{path}: {what} ({int(rows.sum())} rows), first row {at + 1}, "
                f"{table['video_id'].iloc[at]!r:.120}; run the manifest stage again"
            )
