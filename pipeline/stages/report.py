"""Stage report: reads results/metrics.json, results/{predictions,timelines}/<dataset>.csv,
results/model/loss.csv, the manifests, videos of the test splits and the caches' indexes,
writes results/report.html.

Params: all are shown.
"""

import logging
from pathlib import Path

import pandas as pd

from pipeline import layout, manifest
from pipeline.atomic import write_text
from pipeline.cache import Kind
from pipeline.report import facts, page, timelines
from pipeline.report.results import (
    ResultsError,
    read_json,
    read_predictions,
    read_timelines,
)
from pipeline.settings import Params

KINDS: tuple[Kind, ...] = ("spatial", "temporal")
MISSES = 8  # of each data set
TIMELINES = 8
PICTURES = 300  # in the scatter plots of all data sets; at about 6 kB each

log = logging.getLogger(__name__)


def run(params: Params) -> None:
    """Write the page.

    Raises:
        ResultsError: if metrics, predictions, timelines or the loss are missing.
        ManifestError: if a manifest is.
    """
    metrics = read_json(layout.METRICS, "evaluate")
    panels, data = [], []
    for name, of_dataset in metrics["datasets"].items():
        predictions = read_predictions(layout.predictions(name))
        rows = manifest.read(layout.manifest(name))
        paths = {i: Path(p) for i, p in zip(rows["video_id"], rows["path"], strict=True)}
        misses = facts.worst_misses(predictions, paths, MISSES)
        share = max(1, PICTURES // len(metrics["datasets"]))
        pictures = facts.pictures(predictions, paths, share, layout.REPORT)
        seen = _shared_contents(rows) if name in params.tune.train_on else None
        seconds = read_timelines(layout.timelines(name))
        strips = timelines.gallery(seconds, predictions, paths, TIMELINES)
        panels.append(page.panel(name, of_dataset, predictions, misses, pictures, strips, seen))
        data.append(facts.data_facts(name, rows))
    text = page.render(
        params,
        panels,
        metrics,
        _read_loss(layout.MODEL / "loss.csv"),
        data,
        [facts.cache_facts(layout.cache(d, k), k) for d in sorted(params.datasets) for k in KINDS],
        sum(_trained_videos(name) for name in params.tune.train_on),
        facts.versions(),
        facts.git_commit(),
    )
    write_text(layout.REPORT, text)
    log.info("%s: %d data sets, %.1f kB", layout.REPORT, len(panels), len(text) / 1000)


def _trained_videos(dataset: str) -> int:
    rows = manifest.read(layout.manifest(dataset))
    return int(((rows["split"] == "train") & rows["mos"].notna()).sum())


def _shared_contents(rows: pd.DataFrame) -> int:
    """Count the contents that the splits train and test share, which ought to be none."""
    train, test = (set(rows.loc[rows["split"] == s, "content"]) - {""} for s in ("train", "test"))
    return len(train & test)


def _read_loss(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise ResultsError(f"{path}: missing; run `lmm-vqa tune`")
    loss = pd.read_csv(path)
    missing = {"step", "train_loss", "val_loss", "val_srcc"} - set(loss.columns)
    if missing or loss.empty:
        raise ResultsError(f"{path}: no rows, or columns {sorted(missing)} missing; run tune again")
    return loss
