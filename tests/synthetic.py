"""Videos that exist as tokens only: their MOS is a linear function of what the tokens hold."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline import cache
from pipeline.cache import Kind, TokenCache, Tokens
from pipeline.settings import Params

FINGERPRINT = {"model": "synthetic", "random": False}


def make_manifest(count: int, seed: int = 0) -> pd.DataFrame:
    """Return a manifest of v0, v1, ...; every third video is in val, every sixth in test."""
    rng = np.random.default_rng(seed)
    split = ["val" if i % 3 == 1 else "test" if i % 6 == 5 else "train" for i in range(count)]
    return pd.DataFrame(
        {
            "video_id": [f"v{i}" for i in range(count)],
            "path": "",
            "sha256": "0" * 64,
            "mos": rng.uniform(5, 95, count).round(2),
            "mos_raw": np.nan,
            "mos_source": "synthetic",
            "split": split,
            "content": [f"c{i // 2}" for i in range(count)],
            "impairment": ["blur", "none"] * (count // 2),
            "motion": ["smooth", "frozen"] * (count // 2),
            **{"width": 64.0, "height": 48.0, "fps": 24.0, "duration_s": 2.0, "codec": "none"},
        }
    )


def make_caches(
    folder: Path,
    table: pd.DataFrame,
    seed: int = 0,
    fingerprint: dict[str, object] = FINGERPRINT,
    seconds: Sequence[int] = (2,),
) -> dict[Kind, TokenCache]:
    """Write caches: per second 3 spatial tokens of 12 features, and a temporal one of 8.

    Args:
        seconds: how many the first video has, the second and so on, again and again.
    """
    rng = np.random.default_rng(seed)
    mixing = {"spatial": rng.normal(size=(4, 12)), "temporal": rng.normal(size=(4, 8))}
    rows = zip(table["video_id"], table["mos"], table["motion"], strict=True)
    for (video_id, mos, motion), length in zip(rows, cycle(seconds), strict=False):
        hidden = np.array([(mos - 50) / 25, motion == "frozen", *rng.normal(size=2)])
        for kind, size in (("spatial", (length, 3, 12)), ("temporal", (length, 8))):
            tokens = 30 * (hidden @ mixing[kind] + 0.1 * rng.normal(size=size)) + 100
            cache.write_tokens(
                cache.token_file(folder / kind, video_id),
                Tokens(tokens.astype(np.float16), np.arange(float(length))),
                fingerprint,
                "0" * 64,
            )
    videos = dict.fromkeys(table["video_id"], "0" * 64)
    kinds: tuple[Kind, ...] = ("spatial", "temporal")
    for kind in kinds:
        cache.write_index(folder / kind, fingerprint, videos)
    return {kind: TokenCache(folder / kind) for kind in kinds}


def make_params(llm: str, tokens: str = "both") -> Params:
    """Return settings that tune a head on data set `syn` in one short epoch."""
    return Params.model_validate(
        {
            "seed": 0,
            "datasets": {"syn": {"root": "syn"}, "mine": {"root": "mine"}},
            "demo": {"shots": 4, "wild_shots": 1, "clip_s": 1, "clips_per_shot": 2},
            "weights": {"spatial": "none", "temporal": "none", "llm": "none"},
            "spatial": {
                **{"model": "m", "pretrained": "random", "grid": 1, "frame": "whole"},
                "size_px": 64,
            },
            "temporal": {"model": "i3d", "pretrained": "random", "frames": 16, "size_px": 64},
            "instruct": {"tasks": ["score", "level", "impairment", "motion"]},
            "tune": {
                **{"train_on": ["syn"], "llm": llm, "tokens": tokens, "seconds": 2, "epochs": 1},
                **{"batch_size": 4, "learning_rate": 5e-3, "weight_decay": 0.0},
                **{"warmup_ratio": 0.1, "level_std": 12},
            },
            "evaluate": {"bootstrap": 100},
            "run": {"device": "cpu"},
        }
    )
