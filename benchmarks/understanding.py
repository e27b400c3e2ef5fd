"""What the head understands of unseen videos beside their quality. Prints Markdown tables.

    python benchmarks/understanding.py layers           # a linear probe per layer, about a minute
    python benchmarks/understanding.py probe            # the same per kind of question and token
    python benchmarks/understanding.py tokens           # tunes with all, spatial, temporal tokens
    python benchmarks/understanding.py tokens both      # one of the three

Run it from the root after `cp profiles/understanding.yaml params.yaml` and
`dvc repro conversations@demo_motion`. Accuracy, in brackets its 95 % interval over scenes.
"""

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifier

from llm_head import instruct
from llm_head.bootstrap import content_codes, interval, resample_counts
from llm_head.checkpoint import Head
from llm_head.config import TuneConfig
from llm_head.cue import cue
from llm_head.tune import tune
from llm_head.video_questions import answer, metrics
from pipeline import layout, manifest, questions
from pipeline.cache import Kind, TokenCache
from pipeline.demo import motion_questions
from pipeline.settings import Params, load

NAME = "demo_motion"
CHANNELS = {"input": 3, "1a": 64, "2c": 192, "3c": 480}  # of I3D's layers; four numbers of each
PAIRS = {"all 7": (), "left or right": ("left.", "right."), "up or down": ("up.", "down.")}
PAIRS |= {"in or out": ("in.", "out.")}
KEPT = (("input",), ("1a",), ("2c",), ("3c",), ("input", "1a", "2c"), tuple(CHANNELS))
PENALTY = 0.1  # of the probe, on features of unit length


def told(kind: str, params: Params, table: pd.DataFrame) -> NDArray[np.str_]:
    """Return the true answer to a kind of question of each video of a manifest, "" where none."""
    answers = {
        record.video: record.conversations[1].value
        for record in instruct.read(layout.conversations(NAME), NAME)
        if record.task == kind
    }
    settings = params.answer.questions[NAME]
    asked = questions.read(settings.file, settings.format)
    found = questions.matched(asked, table["video_id"])
    answers |= {found[one.id]: one.answer for one in asked if one.kind == kind}
    return np.array([answers.get(video, "") for video in table["video_id"]])


def probed(
    x: NDArray[np.float64],
    answers: NDArray[np.str_],
    asked: NDArray[np.bool_],
    table: pd.DataFrame,
    params: Params,
) -> str:
    """Return the accuracy of ridge classification on the videos of split test that are asked about.

    Args:
        x: (videos, features); learned from are those of the other splits.
    """
    learned = (table["split"] != "test").to_numpy()
    train, test = learned & asked, ~learned & asked
    scaled = (x - x[train].mean(0)) / (x[train].std(0) + 1e-6) / x.shape[1] ** 0.5
    probe = RidgeClassifier(alpha=PENALTY).fit(scaled[train], answers[train])
    right = probe.predict(scaled[test]) == answers[test]
    return shown(right, table["content"].to_numpy()[test], params)


def features(kind: Kind, table: pd.DataFrame) -> NDArray[np.float64]:
    """Return the mean token of each video of a manifest, (videos, features)."""
    cache = TokenCache(layout.cache(NAME, kind))
    tokens = (cache.read(video).tokens.astype(float) for video in table["video_id"])
    return np.stack([found.reshape(-1, found.shape[-1]).mean(0) for found in tokens])


def layers(params: Params) -> pd.DataFrame:
    """Return how well a linear probe tells camera movements by each layer's statistics."""
    if set(params.temporal.layers) != set(CHANNELS):
        sys.exit(f"wanted temporal.layers {list(CHANNELS)}, found {params.temporal.layers}")
    table = manifest.read(layout.manifest(NAME))
    tokens, moves = features("temporal", table), told("camera", params, table)
    ends = np.cumsum([0, *(4 * CHANNELS[layer] for layer in params.temporal.layers)])
    places = dict(zip(params.temporal.layers, pairwise(ends), strict=True))
    rows = []
    for kept in KEPT:
        x = tokens[:, np.concatenate([np.arange(*places[layer]) for layer in kept])]
        row = {"layers": ", ".join(kept)}
        for name, endings in PAIRS.items():
            asked = np.array([move.endswith(endings or ".") for move in moves])
            row[name] = probed(x, moves, asked, table, params)
        rows.append(row)
    return pd.DataFrame(rows)


def probe(params: Params) -> pd.DataFrame:
    """Return how well a linear probe answers each kind of question from each kind of tokens."""
    table = manifest.read(layout.manifest(NAME))
    spatial, temporal = features("spatial", table), features("temporal", table)
    parts = {"both": np.hstack([spatial, temporal]), "spatial": spatial, "temporal": temporal}
    rows = []
    for kind in motion_questions.KINDS:
        answers = told(kind, params, table)
        asked = answers != ""
        cells = {name: probed(x, answers, asked, table, params) for name, x in parts.items()}
        rows.append({"": kind, **cells})
    return pd.DataFrame(rows)


def shown(right: NDArray[np.bool_], contents: NDArray[np.str_], params: Params) -> str:
    """Return an accuracy with its interval, where there are scenes enough for one."""
    codes = content_codes(list(contents), len(contents))
    counts = resample_counts(codes, params.evaluate.bootstrap, params.seed)
    found = (None, None) if counts is None else interval(counts @ right / counts.sum(axis=1))
    return with_interval(float(right.mean()), found)


def with_interval(value: float, found: Sequence[float | None]) -> str:
    """Return a number and its interval, if that is known, as text."""
    low, high = found
    return f"{value:.2f}" if low is None else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def tokens(params: Params, variants: Sequence[str]) -> pd.DataFrame:
    """Return the accuracy of heads that read both kinds of tokens, or one."""
    settings = params.answer.questions[NAME]
    asked = questions.read(settings.file, settings.format)
    table = manifest.read(layout.manifest(NAME))
    contents = dict(zip(table["video_id"], table["content"], strict=True))
    found = questions.matched(asked, table["video_id"])
    cues = {row["video_id"]: cue(row) for row in table.to_dict("records")}
    opened = [
        replace(question, id=f"open {question.id}", kind="camera, written", choices=())
        for question in asked
        if question.kind == "camera"
    ]
    found |= {question.id: found[question.id.removeprefix("open ")] for question in opened}
    columns: dict[str, dict[str, str]] = {}
    for variant in variants:
        changed = params.tune.model_copy(update={"tokens": variant})
        config = TuneConfig(**changed.model_dump(exclude={"train_on"}), seed=params.seed)
        caches = {kind: TokenCache(layout.cache(NAME, kind)) for kind in config.kinds}
        records = instruct.read(layout.conversations(NAME), NAME)
        tuned = tune(records, {NAME: caches}, config, params.run.device)
        shape = tuned.model.projector.shape
        head = Head(tuned.model, tuned.chat, shape, config.level_std, ())
        every = [*asked, *opened] if variant == "both" else asked
        how = settings.choose_by, settings.most_tokens
        rows = answer(head, every, found, caches, cues, *how)
        done = pd.DataFrame(rows)
        done["content"] = done["video_id"].map(contents)
        columns[variant] = cells(done, params)
        if variant == variants[0]:
            columns = {"chance, commonest": references(done, params), **columns}
        print(pd.DataFrame(columns).to_markdown(), flush=True)
    return pd.DataFrame(columns)


def cells(done: pd.DataFrame, params: Params) -> dict[str, str]:
    """Return the accuracy of each kind of question with its interval."""
    return {
        name.removeprefix("kind "): (
            f"{with_interval(part['accuracy'], part['interval'])}, n {part['n']}"
        )
        for name, part in metrics(done, params.evaluate.bootstrap, params.seed).items()
        if name != "all"
    }


def references(done: pd.DataFrame, params: Params) -> dict[str, str]:
    """Return what guessing, and always saying the commonest answer, would reach."""
    return {
        name.removeprefix("kind "): ("" if part["chance"] is None else f"{part['chance']:.2f}, ")
        + f"{part['most_common']:.2f}"
        for name, part in metrics(done, params.evaluate.bootstrap, params.seed).items()
        if name != "all"
    }


def main() -> None:
    """Print the table that is asked for."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    what, *variants = sys.argv[1:] or [""]
    known = ("both", "spatial", "temporal")
    probes = {"layers": layers, "probe": probe}
    if what in probes and not variants:
        print(probes[what](load()).to_markdown(index=False, disable_numparse=True))
    elif what == "tokens" and set(variants) <= set(known):
        print(tokens(load(), variants or known).to_markdown())
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
