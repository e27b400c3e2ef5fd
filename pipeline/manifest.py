"""The manifest: every video of a data set with its label, content hash and probed facts."""

from pathlib import Path

import pandas as pd

from pipeline.atomic import replacing
from pipeline.labels import ManifestError

TEXT_COLUMNS = (
    *("video_id", "path", "sha256", "mos_source", "split", "content", "impairment", "motion"),
    "codec",
)
NUMBER_COLUMNS = ("mos", "mos_raw", "mos_std", "width", "height", "fps", "duration_s")
INTEGER_COLUMNS = ("n_ratings", "fold")
COLUMNS = (
    *("video_id", "path", "sha256", "mos", "mos_raw", "mos_std", "n_ratings", "mos_source"),
    *("split", "fold", "content", "impairment", "motion"),
    *("width", "height", "fps", "duration_s", "codec"),
)
# a manifest written before these existed still reads, with nothing known in them
LATER_COLUMNS = {"mos_std": "float64", "n_ratings": "Int64", "fold": "Int64"}


def write(path: Path, table: pd.DataFrame) -> None:
    """Write a manifest as CSV, atomically; the same table gives the same bytes."""
    with replacing(path) as tmp:
        table.to_csv(tmp, index=False, lineterminator="\n")


def read(path: Path) -> pd.DataFrame:
    """Read a manifest; where nothing is known, text is "", numbers are NaN, integers <NA>.

    ``mos`` and ``mos_std`` (the deviation between raters) are on 0-100, ``mos_raw`` on the data
    set's own scale; ``fold`` is the published one.

    Raises:
        ManifestError: if the file is missing or is no manifest.
    """
    if not path.is_file():
        raise ManifestError(f"{path}: missing; run `lmm-vqa manifest {path.parent.name}`")
    try:
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(TEXT_COLUMNS, str)
            | dict.fromkeys(NUMBER_COLUMNS, float)
            | dict.fromkeys(INTEGER_COLUMNS, "Int64"),
            keep_default_na=False,
            na_values={column: [""] for column in NUMBER_COLUMNS + INTEGER_COLUMNS},
        )
    except (ValueError, UnicodeError) as error:
        raise ManifestError(f"{path}: not a manifest: {error}") from error
    for column, dtype in LATER_COLUMNS.items():
        if column not in table:
            table[column] = pd.Series(None, table.index, dtype=dtype)
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise ManifestError(f"{path}: columns {missing} are missing; run the manifest stage again")
    return table
