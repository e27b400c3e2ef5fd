"""Stage hashes: reads data/<dataset>/manifest.csv and the videos, writes
data/hashes/<dataset>.csv."""

import logging

import pandas as pd

from pipeline import layout, leaks, manifest
from pipeline.atomic import write_text
from pipeline.hashes import hash_table
from pipeline.settings import Params

log = logging.getLogger(__name__)


def run(params: Params, dataset: str) -> None:
    """Write the perceptual hashes of a data set's key frames; only new videos are decoded."""
    path = layout.hashes(dataset)
    known = leaks.read(path) if path.is_file() else pd.DataFrame(columns=leaks.COLUMNS)
    table = hash_table(manifest.read(layout.manifest(dataset)), known, params.run)
    write_text(path, table.to_csv(index=False, lineterminator="\n"))
    log.info("%s: %d videos, %d without a hash", path, len(table), (table["hashes"] == "").sum())
