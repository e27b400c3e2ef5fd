"""The manifest: every video of a data set with its label, content hash and probed facts."""

from pathlib import Path

import pandas as pd

from pipeline.atomic import replacing
from pipeline.labels import ManifestError

TEXT_COLUMNS = (
    *("video_id", "path", "sha256", "mos_source", "split", "content", "impairment", "motion"),
    "codec",
)
NUMBER_COLUMNS = ("mos", "mos_raw", "width", "height", "fps", "duration_s")
COLUMNS = (
    *("video_id", "path", "sha256", "mos", "mos_raw", "mos_source", "split", "content"),
    *("impairment", "motion", "width", "height", "fps", "duration_s", "codec"),
)


def write(path: Path, table: pd.DataFrame) -> None:
    """Write a manifest as CSV, atomically; the same table gives the same bytes."""
    with replacing(path) as tmp:
        table.to_csv(tmp, index=False, lineterminator="\n")


def read(path: Path) -> pd.DataFrame:
    """Read a manifest; text columns hold "" where nothing is known, numbers NaN.

    Raises:
        ManifestError: if the file is missing or is no manifest.
    """
    if not path.is_file():
        raise ManifestError(f"{path}: missing; run `lmm-vqa manifest {path.parent.name}`")
    try:
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(TEXT_COLUMNS, str) | dict.fromkeys(NUMBER_COLUMNS, float),
            keep_default_na=False,
            na_values={column: [""] for column in NUMBER_COLUMNS},
        )
    except (ValueError, UnicodeError) as error:
        raise ManifestError(f"{path}: not a manifest: {error}") from error
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise ManifestError(f"{path}: columns {missing} are missing; run the manifest stage again")
    return table
