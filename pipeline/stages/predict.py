"""Stage predict: reads results/model/, data/<dataset>/{manifest.csv,spatial/,temporal/} and, for
the baselines, the same of the training sets; writes results/predictions/<dataset>.csv and, of the
test videos, results/timelines/<dataset>.csv.

Params: seed, tune.
"""

import logging

import pandas as pd

from llm_head import predictions
from llm_head.timeline_metrics import SECONDS
from pipeline import layout, manifest
from pipeline.atomic import write_text
from pipeline.cache import TokenCache
from pipeline.progress import bar
from pipeline.settings import Params
from pipeline.tuned import opened

log = logging.getLogger(__name__)


class PredictError(RuntimeError):
    """Some videos have no tokens, so they have no prediction."""


def run(params: Params, dataset: str) -> None:
    """Score every video of one data set.

    Raises:
        PredictError: at the end, if videos have no tokens; the others are written.
    """
    head, caches = opened(dataset, params.run.device)
    table = manifest.read(layout.manifest(dataset))
    there = predictions.has_tokens(table, caches)
    missing, table = list(table["video_id"][~there]), table[there]
    rows = list(bar(predictions.predict(head, table, caches), len(table), "predict", "video"))
    train = [
        (
            manifest.read(layout.manifest(name)),
            {kind: TokenCache(layout.cache(name, kind)) for kind in caches},
        )
        for name in params.tune.train_on
    ]
    found = pd.DataFrame(rows, columns=predictions.COLUMNS).assign(
        **predictions.baselines(train, table, caches, head.shape, params.seed)
    )
    write_text(layout.predictions(dataset), found.to_csv(index=False, lineterminator="\n"))
    log.info("%s: %d videos", layout.predictions(dataset), len(found))
    tested = table[table["split"] == "test"]
    timelines = bar(predictions.timelines(head, tested, caches), len(tested), "timeline", "video")
    seconds = pd.DataFrame([row for rows in timelines for row in rows], columns=SECONDS)
    write_text(layout.timelines(dataset), seconds.to_csv(index=False, lineterminator="\n"))
    log.info("%s: %d seconds", layout.timelines(dataset), len(seconds))
    if missing:
        raise PredictError(
            f"{dataset}: {len(missing)} of {len(missing) + len(found)} videos have no tokens, see "
            f"failures.csv of its caches: {', '.join(missing[:5])}"
        )
