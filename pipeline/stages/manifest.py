"""Stage manifest: reads a data set's folder and labels, writes data/<dataset>/manifest.csv and,
beside it, unmatched.csv; of parts of videos data/chunk_labels/<dataset>.csv.

Params: seed, datasets.<dataset>.
"""

import logging

import pandas as pd

from pipeline import datasets, layout, manifest
from pipeline.labels import Labels, ManifestError
from pipeline.settings import Params
from pipeline.survey import survey

log = logging.getLogger(__name__)
_SHOWN = 5


def run(params: Params, dataset: str) -> None:
    """Write the manifest of one data set."""
    if dataset not in params.datasets:
        raise ManifestError(
            f"params.yaml has no data set {dataset!r}; it has {', '.join(params.datasets)}"
        )
    labels = datasets.read(params.datasets[dataset], params.seed)
    _say(dataset, "labelled but not in the folder", labels.missing)
    _say(dataset, "in the folder but without a label, left out", labels.extra)
    table = survey(labels.table)
    path = layout.manifest(dataset)
    manifest.write(path, table)
    manifest.write(layout.unmatched(dataset), _unmatched(labels))
    manifest.write(layout.chunk_labels(dataset), labels.chunks)
    log.info("%s: %d videos, %d with a score", path, len(table), table["mos"].notna().sum())


def _say(dataset: str, what: str, names: tuple[str, ...]) -> None:
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        log.warning(
            "%s: %d videos are %s: %s%s; all are in %s",
            *(dataset, len(names), what, "; ".join(names[:_SHOWN]), more),
            layout.unmatched(dataset),
        )


def _unmatched(labels: Labels) -> pd.DataFrame:
    rows = [(name, "missing") for name in labels.missing]
    # a file's name may be no UTF-8, which a table has to be
    rows += [(name.encode(errors="backslashreplace").decode(), "extra") for name in labels.extra]
    return pd.DataFrame(rows, columns=["name", "what"])
