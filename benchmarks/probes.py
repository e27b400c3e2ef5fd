"""What limits the demo's scores: number of training shots, layers, crops. Prints Markdown tables.

    python benchmarks/probes.py curve     # from the caches, about two minutes on two cores
    python benchmarks/probes.py layers    # encodes the key frames again, about five minutes

Run it from the root after `make demo`. Probes are the baselines of the result table (ridge and
support vector regression on pooled tokens), so no language model takes part.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from llm_head.baselines import fit_predict, video_features
from llm_head.metrics import srcc
from pipeline import layout, manifest
from pipeline.cache import TokenCache
from pipeline.encode import encoder
from pipeline.settings import load
from pipeline.video import chunks

SETS = ("demo", "demo_wild")
PROBES = ("ridge", "svr")
REPEATS = 5  # random choices of training shots
STAGES = (16, 24, 40, 112, 320)  # channels of EfficientNet-Lite0's stages

Features = NDArray[np.float64]


def labelled(dataset: str) -> pd.DataFrame:
    """Return the videos of a data set that have a score."""
    table = manifest.read(layout.manifest(dataset))
    return table[table["mos"].notna()].reset_index(drop=True)


def shot_of(table: pd.DataFrame) -> "pd.Series[str]":
    """Return the shot of each demo clip: its name without the number of the impairment."""
    return table["video_id"].str.rsplit("_", n=1).str[0]


def scores(
    x: dict[str, Features],
    tables: dict[str, pd.DataFrame],
    train: NDArray[np.bool_],
    sizes: Sequence[int] = (),
) -> dict[str, float]:
    """Return the SRCC of both probes on unseen shots and on the wild set."""
    demo, wild = tables["demo"], tables["demo_wild"]
    test = (demo["split"] == "test").to_numpy()
    found = fit_predict(
        x["demo"][train],
        demo["mos"].to_numpy()[train],
        np.concatenate([x["demo"][test], x["demo_wild"]]),
        demo["content"][train].tolist(),
        seed=0,
        sizes=sizes,
    )
    result = {}
    for name in PROBES:
        unseen, far = np.split(found[name], [test.sum()])
        result[f"{name}, unseen shots"] = srcc(unseen, demo["mos"].to_numpy()[test])
        result[f"{name}, demo_wild"] = srcc(far, wild["mos"].to_numpy())
    return result


def curve() -> pd.DataFrame:
    """Return the SRCC against the number of training shots, mean and deviation over choices."""
    tables = {name: labelled(name) for name in SETS}
    x = {}
    for name, table in tables.items():
        caches = [TokenCache(layout.cache(name, kind)) for kind in ("spatial", "temporal")]
        sizes = [cache.read(table["video_id"][0]).tokens.shape[-1] for cache in caches]
        x[name] = np.stack(
            [video_features(*(c.read(v).tokens for c in caches)) for v in table["video_id"]]
        )
    demo = tables["demo"]
    shots, is_train = shot_of(demo), (demo["split"] == "train").to_numpy()
    every = sorted(shots[is_train].unique())
    rows = []
    for count in sorted({8, 16, 32, len(every)}):
        repeats = REPEATS if count < len(every) else 1
        found = [
            scores(
                x,
                tables,
                is_train
                & shots.isin(np.random.default_rng(n).permutation(every)[:count]).to_numpy(),
                sizes,
            )
            for n in range(repeats)
        ]
        mean, std = pd.DataFrame(found).mean(), pd.DataFrame(found).std(ddof=0)
        rows.append({"shots": count, **{k: f"{mean[k]:.2f} ± {std[k]:.2f}" for k in mean.index}})
    return pd.DataFrame(rows)


def layers() -> pd.DataFrame:
    """Return the SRCC by layers of the spatial encoder and number of native crops."""
    settings = load().spatial
    tables = {name: labelled(name) for name in SETS}
    train = (tables["demo"]["split"] == "train").to_numpy()
    ends = np.cumsum([0, *(2 * channels for channels in STAGES)])
    rows = []
    for crops in ((1, 2), (2, 3)):
        encode = encoder(
            settings.model_copy(update={"layers": tuple(range(5)), "crops": crops}), "cpu"
        )
        tokens = {
            name: np.stack(
                [
                    np.concatenate([encode([c.key_frame]) for c in chunks(Path(path), 0)])
                    .astype(np.float64)
                    .mean(axis=(0, 1))
                    for path in table["path"]
                ]
            )
            for name, table in tables.items()
        }
        choices: Sequence[Sequence[int]] = ((0,), (1,), (2,), (3,), (4,), (1, 2, 3), range(5))
        for chosen in choices:
            columns = np.concatenate([np.arange(ends[i], ends[i + 1]) for i in chosen])
            part = {name: values[:, columns] for name, values in tokens.items()}
            found = {k: f"{v:.2f}" for k, v in scores(part, tables, train).items()}
            rows.append({"crops": f"{crops[0]}x{crops[1]}", "layers": str(list(chosen)), **found})
    return pd.DataFrame(rows)


def main() -> None:
    """Print the table that is asked for."""
    tables = {"curve": curve, "layers": layers}
    if len(sys.argv) != 2 or sys.argv[1] not in tables:
        sys.exit(__doc__)
    print(tables[sys.argv[1]]().to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
