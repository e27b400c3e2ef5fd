"""Stage evaluate: reads results/{predictions,timelines}/<dataset>.csv,
data/chunk_labels/<dataset>.csv, results/model/config.json and results/leaks.csv, writes
results/metrics.json.

Params: seed, datasets, tune.train_on, evaluate.
"""

import json
import logging

import pandas as pd

from pipeline import layout
from pipeline.atomic import write_text
from pipeline.report.results import (
    ResultsError,
    benchmark_name,
    dataset_metrics,
    read_json,
    read_predictions,
    rounded,
    timeline_metrics,
)
from pipeline.report.table import table
from pipeline.settings import Params

log = logging.getLogger(__name__)


def run(params: Params) -> None:
    """Evaluate the predictions for every data set that has labels.

    Raises:
        ResultsError: if predictions are missing, or no data set has a labelled test or val video.
    """
    datasets = {}
    for name in sorted(name for name, data in params.datasets.items() if data.labelled):
        predictions = read_predictions(layout.predictions(name))
        metrics = dataset_metrics(predictions, params.evaluate.bootstrap, params.seed)
        if metrics:
            of_seconds = timeline_metrics(
                layout.timelines(name),
                layout.chunk_labels(name),
                params.evaluate.bootstrap,
                params.seed,
            )
            datasets[name] = {
                "benchmark": benchmark_name(name, params),
                "zero_shot": name not in params.tune.train_on,
                **metrics,
                **({"timeline": of_seconds} if of_seconds else {}),
            }
        else:
            log.warning("%s: no labelled video in its splits test and val", name)
    if not datasets:
        raise ResultsError("no data set has a labelled video in its splits test and val")
    config = read_json(layout.MODEL / "config.json", "tune")
    result = rounded(
        {
            "datasets": datasets,
            "random_encoders": config["random_encoders"],
            "train_on": list(params.tune.train_on),
            "leaks": _leaks(),
        }
    )
    write_text(layout.METRICS, json.dumps(result, indent=2, sort_keys=True) + "\n")
    log.info("%s:\n%s", layout.METRICS, table(result))


def _leaks() -> int | None:
    """Return how many pairs of a test and a training video are the same; None if nobody looked."""
    return len(pd.read_csv(layout.LEAKS)) if layout.LEAKS.is_file() else None
