"""Which of two videos is better: by their two scores, and seen together by a head that knows pairs.

    python benchmarks/comparisons.py                       # a tuning and some 300 comparisons
    python benchmarks/comparisons.py --pairs 2 --epochs 2  # pairs per video in training, epochs

Run it from the root after `make demo`. A head is tuned as the demo's is, with pairs beside the
videos; the demo's own, in results/model/, stands beside it. Share of pairs of test videos that are
put in the right order, apart for versions of one shot and for videos of different shots, at most 80
of each; in brackets the 95 % interval, for which the pairs of one scene, or of the same two, are
drawn together.
"""

import argparse
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from llm_head import checkpoint, instruct
from llm_head.checkpoint import Head
from llm_head.config import TuneConfig
from llm_head.data import KINDS, read_tokens
from llm_head.pair import compare_together
from llm_head.projector import TokenShape
from llm_head.readout import ReadOut
from llm_head.shown import VideoTokens
from llm_head.tune import Tuned, tune
from pipeline import layout, manifest
from pipeline.cache import TokenCache
from pipeline.settings import load

SETS = ("demo", "demo_wild")
LEAST = 1.0  # points between two labels that make one video the better one
DRAWN = 80  # pairs of a kind, of each set
RESAMPLES = 1000


@dataclass(frozen=True)
class Video:
    """A test video: its label, what it shows, and what the head is shown of it."""

    mos: float
    shot: str
    scene: str
    tokens: VideoTokens


def tuned(pairs: float, epochs: float, seed: int) -> Tuned:
    """Return a head as the demo's, tuned with so many pairs per video."""
    params = load()
    settings = params.tune.model_dump(exclude={"train_on", "pairs", "epochs"})
    config = TuneConfig(**settings, pairs=pairs, epochs=epochs, seed=seed)
    caches = {"demo": {kind: TokenCache(layout.cache("demo", kind)) for kind in config.kinds}}
    records = instruct.read(layout.instructions("demo"), "demo")
    return tune(records, caches, config, params.run.device)


def test_videos(name: str, shape: TokenShape) -> list[Video]:
    """Return the labelled test videos of a set."""
    table = manifest.read(layout.manifest(name))
    table = table[(table["split"] == "test") & table["mos"].notna()]
    caches = {kind: TokenCache(layout.cache(name, kind)) for kind in KINDS}
    return [
        Video(
            float(row["mos"]),
            row["video_id"].rpartition("_")[0],
            row["content"],
            read_tokens(caches, row["video_id"], shape),
        )
        for row in table.to_dict("records")
    ]


def asked(videos: Sequence[Video]) -> dict[str, list[tuple[Video, Video]]]:
    """Return the pairs that are asked about, the better one first."""
    pairs = [
        (a, b) if a.mos > b.mos else (b, a)
        for a, b in combinations(videos, 2)
        if abs(a.mos - b.mos) >= LEAST
    ]
    draw = random.Random(0)
    kinds = {
        "versions of one shot": [(a, b) for a, b in pairs if a.shot == b.shot],
        "different shots": [(a, b) for a, b in pairs if a.shot != b.shot],
    }
    return {kind: draw.sample(found, min(DRAWN, len(found))) for kind, found in kinds.items()}


def scores_of(head: Head | Tuned, videos: Sequence[Video]) -> dict[int, float]:
    """Return the score of each video, by its id()."""
    answers = ReadOut(head.model, head.chat, load().tune.level_std).answers(
        [video.tokens for video in videos]
    )
    return {id(video): answer.score for video, answer in zip(videos, answers, strict=True)}


def share(right: Sequence[bool], scenes: Sequence[str]) -> str:
    """Return the mean with its interval."""
    values, groups = np.array(right, float), np.unique(np.array(scenes), return_inverse=True)[1]
    rng = np.random.default_rng(0)
    count = groups.max() + 1
    weights = rng.multinomial(count, np.full(count, 1 / count), RESAMPLES)[:, groups]
    low, high = np.quantile(weights @ values / weights.sum(1).clip(1), [0.025, 0.975])
    return f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    """Print a row per set and kind of pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=float, default=1.0)
    parser.add_argument("--epochs", type=float, default=load().tune.epochs)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    prints = {kind: TokenCache(layout.cache("demo", kind)).fingerprint for kind in KINDS}
    alone = checkpoint.load(layout.MODEL, prints)
    both = tuned(given.pairs, given.epochs, given.seed)
    rows = []
    for name in SETS:
        videos = test_videos(name, alone.shape)
        scores = {
            "head without pairs": scores_of(alone, videos),
            "head with pairs": scores_of(both, videos),
        }
        for kind, pairs in asked(videos).items():
            scenes = [" ".join(sorted((a.scene, b.scene))) for a, b in pairs]
            row = {"set": name, "pairs": kind, "n": len(pairs)}
            for head, of in scores.items():
                ahead = [of[id(a)] - of[id(b)] for a, b in pairs]
                row[f"two scores, {head}"] = share([d > 0 for d in ahead], scenes)
            found = [
                compare_together(both.model, both.chat, a.tokens, b.tokens).difference
                for a, b in pairs
            ]
            row["seen together"] = share([d > 0 for d in found], scenes)
            rows.append(row)
    print(pd.DataFrame(rows).to_markdown(index=False))


if __name__ == "__main__":
    main()
