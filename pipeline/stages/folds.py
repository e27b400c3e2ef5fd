"""Stage folds: reads results/folds/<dataset>/<part>.csv of all parts, writes
results/folds/<dataset>.json.

Params: seed, protocol, evaluate.
"""

import json
import logging

from pipeline import layout
from pipeline.atomic import write_text
from pipeline.report.folds import summary
from pipeline.report.results import ResultsError, benchmark_name, read_predictions, rounded
from pipeline.settings import Params

log = logging.getLogger(__name__)


def run(params: Params, dataset: str) -> None:
    """Write the metrics of each part and their medians.

    Raises:
        ResultsError: if predictions of a part are missing.
    """
    benchmark = benchmark_name(dataset, params)
    tables = {}
    for part in params.protocol.parts:
        path = layout.fold(dataset, part)
        if not path.is_file():
            raise ResultsError(f"{path}: missing; run `lmm-vqa fold {dataset} {part}`")
        tables[part] = read_predictions(path)
    found = summary(tables, params.evaluate.bootstrap, params.seed)
    protocol = {"scheme": params.protocol.scheme, "start": params.protocol.start}
    trained = list(params.tune.train_on) if params.protocol.start == "model" else []
    result = rounded({"benchmark": benchmark, **protocol, "start_trained_on": trained, **found})
    write_text(layout.folds(dataset), json.dumps(result, indent=2, sort_keys=True) + "\n")
    srcc = result["median"]["lmm_vqa"]["srcc"]
    log.info("%s: %d parts, median SRCC %s", layout.folds(dataset), len(tables), srcc)
