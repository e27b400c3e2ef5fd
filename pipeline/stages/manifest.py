"""Stage manifest: reads a data set's folder and labels, writes data/<dataset>/manifest.csv."""

import logging

from pipeline import layout, manifest
from pipeline.labels import ManifestError, read_labels
from pipeline.settings import Params
from pipeline.survey import survey

log = logging.getLogger(__name__)


def run(params: Params, dataset: str) -> None:
    """Write the manifest of one data set."""
    if dataset not in params.datasets:
        raise ManifestError(
            f"params.yaml has no data set {dataset!r}; it has {', '.join(params.datasets)}"
        )
    table = survey(read_labels(params.datasets[dataset], params.seed))
    path = layout.manifest(dataset)
    manifest.write(path, table)
    log.info("%s: %d videos, %d with a score", path, len(table), table["mos"].notna().sum())
