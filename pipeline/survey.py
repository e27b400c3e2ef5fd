"""A look at every video of a data set: content hash and probed facts."""

import hashlib
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from pipeline.manifest import COLUMNS
from pipeline.progress import bar
from pipeline.video import VideoError, VideoFacts, probe

log = logging.getLogger(__name__)


def survey(labels: pd.DataFrame) -> pd.DataFrame:
    """Return the manifest: `labels` with the hash and the probed facts of each video.

    A file that is no video keeps its row with empty facts; extraction records it as failed.

    Args:
        labels: the table that an adapter of `pipeline.datasets` returns.
    """
    paths = [Path(path) for path in labels["path"]]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        facts = list(bar(pool.map(_look, paths), len(paths), "manifest", "video"))
    table = pd.concat([labels, pd.DataFrame(facts, index=labels.index)], axis=1)
    return table[list(COLUMNS)]


def _look(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        facts = probe(path)
    except VideoError as error:
        log.warning("%s", error)
        facts = VideoFacts(width=0, height=0, fps=0, duration_s=0, codec="")
    return {"sha256": sha256, **asdict(facts)}
