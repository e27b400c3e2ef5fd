"""Command baseline: reads data/<dataset>/manifest.csv and the videos, writes
results/baselines/<metric>/<dataset>.csv and .json.

The metrics are those of pyiqa, which is not a dependency: it is installed by those who want it, and
has its own licence.
"""

import json
import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from llm_head.metrics import score_metrics
from pipeline import layout, manifest
from pipeline.atomic import write_text
from pipeline.decoder import Decoder
from pipeline.progress import bar
from pipeline.report.results import benchmark_name, rounded
from pipeline.settings import Params
from pipeline.video import Chunk, VideoError

COLUMNS = ("video_id", "sha256", "split", "content", "mos", "score")

log = logging.getLogger(__name__)


class BaselineError(RuntimeError):
    """The metric cannot be had, or videos could not be scored."""


def run(params: Params, metric: str, dataset: str) -> None:
    """Score the labelled videos of a data set: the mean of the metric over key frames.

    Videos that an earlier run has scored are not decoded again. Higher is better in what is
    written: the sign of metrics that fall with quality (NIQE, BRISQUE) is turned.

    Raises:
        BaselineError: if pyiqa is missing or has no such metric without reference; or, at the end,
            if videos could not be scored (the others are written).
    """
    name = benchmark_name(dataset, params)
    path = layout.baseline(metric, dataset)
    measure = _metric(metric, params.run.device)
    table = manifest.read(layout.manifest(dataset))
    table = table[table["mos"].notna()].reset_index(drop=True)
    known = _known(path)
    failures, scores, decoder = [], [], Decoder()
    rows = zip(table["video_id"], table["path"], table["sha256"], strict=True)
    for video_id, video, sha256 in bar(rows, len(table), metric, "video"):
        try:
            if sha256 not in known:
                seconds = decoder.chunks(Path(video).absolute(), 0, params.run)
                known[sha256] = _score(measure, seconds, Path(video))
            scores.append(known[sha256])
        except VideoError as error:
            failures.append(f"{video_id}: {error}".replace(f"{Path.cwd()}/", ""))
            scores.append(np.nan)
    decoder.close()
    found = table.assign(score=scores)[list(COLUMNS)]
    write_text(path, found.to_csv(index=False, lineterminator="\n"))
    test = found[found["split"] == "test"]
    numbers = score_metrics(
        test["score"], test["mos"], test["content"].tolist(), params.evaluate.bootstrap, params.seed
    )
    text = json.dumps(rounded({"benchmark": name, **numbers}), indent=2, sort_keys=True)
    write_text(path.with_suffix(".json"), text + "\n")
    log.info("%s: %d videos, SRCC %s on split test", path, len(found), numbers["srcc"])
    if failures:
        raise BaselineError(
            f"{len(failures)} videos could not be scored: {'; '.join(failures[:5])}"
        )


def _metric(name: str, device: str) -> Any:
    """Return pyiqa's metric; called with float (1, 3, H, W) in 0..1, it gives one number."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.+-]{0,63}", name):
        raise BaselineError(f"metric {name!r}; wanted a name of pyiqa, such as niqe or brisque")
    try:
        import pyiqa
        import torch
    except ImportError as error:
        raise BaselineError(
            f"metric {name!r} needs pyiqa, which is not installed here ({error}); `pip install "
            "pyiqa`, and mind its licence (PolyForm Noncommercial)"
        ) from error
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        metric = pyiqa.create_metric(name, device=torch.device(device))
    except (KeyError, ValueError, NotImplementedError, OSError) as error:
        raise BaselineError(f"pyiqa cannot make the metric {name!r}: {error!r}") from error
    if getattr(metric, "metric_mode", "NR") != "NR":
        raise BaselineError(f"{name!r} needs a reference; wanted a metric without one, e.g. niqe")
    return metric


def _score(metric: Any, seconds: Iterable[Chunk], path: Path) -> float:
    import torch

    values = []
    for chunk in seconds:
        frame = torch.from_numpy(chunk.key_frame.copy()).permute(2, 0, 1).unsqueeze(0) / 255
        with torch.inference_mode():
            values.append(float(metric(frame)))
    mean = float(np.mean(values))
    if not np.isfinite(mean):
        raise VideoError(f"{path}: the metric gave {mean}")
    return round(-mean if metric.lower_better else mean, 6)


def _known(path: Path) -> dict[str, float]:
    if not path.is_file():
        return {}
    table = pd.read_csv(path, dtype={"sha256": str, "video_id": str})
    return {
        sha256: score
        for sha256, score in zip(table["sha256"], table["score"], strict=True)
        if np.isfinite(score)
    }
