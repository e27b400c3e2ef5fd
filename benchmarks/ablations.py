"""What each part of the head gives: tunes without it, scores unseen videos, prints Markdown.

    python benchmarks/ablations.py                         # every row below, some four minutes each
    python benchmarks/ablations.py default spatial         # these rows only
    python benchmarks/ablations.py default --seeds 0 1 2   # each with several seeds

Run it from the root after `make demo`, on an idle machine. SRCC on unseen shots of `demo` and on
`demo_wild`; "shown": the same of the words that the projected tokens are nearest to, which is what
the LLM is shown; accuracy of naming the impairment; balanced accuracy of telling frozen and smooth
apart.
"""

import argparse
import logging
import time
from typing import Any

import numpy as np
import pandas as pd
import torch

from llm_head import instruct, predictions
from llm_head.checkpoint import Head
from llm_head.config import TuneConfig
from llm_head.data import Caches, read_tokens
from llm_head.levels import CENTRES, LEVELS
from llm_head.metrics import answer_metrics, srcc
from llm_head.shown import pad
from llm_head.tune import tune
from pipeline import layout, manifest
from pipeline.cache import TokenCache
from pipeline.settings import Params, load

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "spatial": {"tokens": "spatial"},
    "temporal": {"tokens": "temporal"},
    "mean over time": {"time": "mean"},
    "no alignment": {"align_steps": 0, "align_weight": 0.0},
    "alignment before, not beside": {"align_weight": 0.0},
    "vit": {"projector": "vit"},
    "resampler": {"projector": "resampler", "queries": 4},
    "hard levels": {"level_std": 0},
    "lora": {"lora_rank": 8},
    "ranking, weight 0.3": {"rank_weight": 0.3},
    "ranking, weight 1": {"rank_weight": 1.0},
    "ranking, weight 3": {"rank_weight": 3.0},
}
SETS = ("demo", "demo_wild")


def run(params: Params, seed: int) -> dict[str, Any]:
    """Tune one head and return its row of the table."""
    settings = params.tune
    config = TuneConfig(**settings.model_dump(exclude={"train_on"}), seed=seed)
    caches = {
        name: {kind: TokenCache(layout.cache(name, kind)) for kind in config.kinds} for name in SETS
    }
    began = time.monotonic()
    records = instruct.read(layout.instructions("demo"), "demo")
    tuned = tune(records, {"demo": caches["demo"]}, config, params.run.device)
    row: dict[str, Any] = {"minutes": (time.monotonic() - began) / 60}
    head = Head(tuned.model, tuned.chat, tuned.model.projector.shape, settings.level_std, ())
    for name in SETS:
        table = manifest.read(layout.manifest(name))
        table = table[table["split"] == "test"]
        found = pd.DataFrame(predictions.predict(head, table, caches[name]))
        known = found["mos"].notna()
        row[f"SRCC {name}"] = srcc(found["score"][known], found["mos"][known])
        row[f"shown {name}"] = srcc(
            [shown(head, caches[name], video) for video in found["video_id"][known]],
            found["mos"][known],
        )
        row[f"impairment {name}"] = accuracy(found, "impairment", "accuracy")
        row[f"motion {name}"] = accuracy(found, "motion", "balanced_accuracy")
    return row


@torch.no_grad()
def shown(head: Head, caches: Caches, video: str) -> float:
    """Return the score, 10-90, of the level words that a video's tokens are nearest to."""
    tokens = pad([read_tokens(caches, video, head.shape)])
    mean = head.model.projector(tokens["spatial"], tokens["temporal"]).mean((1, 2))
    nearness = head.model.alignment.choice(mean)[0, : len(LEVELS)]
    return float(nearness.double().softmax(-1) @ torch.from_numpy(CENTRES))


def accuracy(found: pd.DataFrame, task: str, measure: str) -> float:
    """Return one measure of the answers to a task."""
    given, truth = found[f"{task}_answer"].tolist(), found[task].tolist()
    return float(answer_metrics(given, truth, resamples=0)[measure])


def main() -> None:
    """Print a row per variant: mean over seeds and, of several, their deviation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help=", ".join(VARIANTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    asked = parser.parse_args()
    unknown = sorted(set(asked.variants) - set(VARIANTS))
    if unknown:
        parser.error(f"unknown variants {unknown}; there are {list(VARIANTS)}")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    params, header = load(), ""
    for name in asked.variants or VARIANTS:
        changed = params.tune.model_copy(update=VARIANTS[name])
        rows = [run(params.model_copy(update={"tune": changed}), seed) for seed in asked.seeds]
        if not header:
            header = "| | " + " | ".join(rows[0]) + " |"
            print(header + "\n|---" + "|---" * len(rows[0]) + "|", flush=True)
        cells = []
        for key in rows[0]:
            values = np.array([row[key] for row in rows])
            spread = f" ± {values.std():.3f}" if len(values) > 1 else ""
            cells.append(f"{values.mean():.3f}{spread}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
