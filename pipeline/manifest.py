"""The manifest: every video of a data set with its label, content hash and probed facts."""

import hashlib
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from pipeline.atomic import replacing
from pipeline.labels import ManifestError
from pipeline.progress import bar
from pipeline.video import VideoError, VideoFacts, probe

TEXT_COLUMNS = (
    *("video_id", "path", "sha256", "mos_source", "split", "content", "impairment", "motion"),
    "codec",
)
NUMBER_COLUMNS = ("mos", "mos_raw", "width", "height", "fps", "duration_s")
COLUMNS = (
    *("video_id", "path", "sha256", "mos", "mos_raw", "mos_source", "split", "content"),
    *("impairment", "motion", "width", "height", "fps", "duration_s", "codec"),
)

log = logging.getLogger(__name__)


def build(labels: pd.DataFrame) -> pd.DataFrame:
    """Return the manifest: `labels` with the hash and the probed facts of each video.

    A file that is no video keeps its row with empty facts; extraction records it as failed.

    Args:
        labels: from `pipeline.labels.read_labels`.
    """
    paths = [Path(path) for path in labels["path"]]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        facts = list(bar(pool.map(_look, paths), len(paths), "manifest", "video"))
    table = pd.concat([labels, pd.DataFrame(facts, index=labels.index)], axis=1)
    return table[list(COLUMNS)]


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


def _look(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        facts = probe(path)
    except VideoError as error:
        log.warning("%s", error)
        facts = VideoFacts(width=0, height=0, fps=0, duration_s=0, codec="")
    return {"sha256": sha256, **asdict(facts)}
