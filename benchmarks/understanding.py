"""What the head understands of unseen videos beside their quality. Prints Markdown tables.

    python benchmarks/understanding.py layers           # a linear probe per layer, about a minute
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
from llm_head.tune import tune
from llm_head.video_questions import Question, answer, metrics
from pipeline import layout, manifest, questions
from pipeline.cache import TokenCache
from pipeline.settings import Params, load

NAME = "demo_motion"
CHANNELS = {"input": 3, "1a": 64, "2c": 192, "3c": 480}  # of I3D's layers; four numbers of each
PAIRS = {"all 7": (), "left or right": ("left.", "right."), "up or down": ("up.", "down.")}
PAIRS |= {"in or out": ("in.", "out.")}
KEPT = (("input",), ("1a",), ("2c",), ("3c",), ("input", "1a", "2c"), tuple(CHANNELS))
PENALTY = 0.1  # of the probe, on features of unit length


def camera(params: Params, table: pd.DataFrame) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
    """Return how the camera moves in each video of a manifest, and which are to learn from."""
    told = {
        record.video: record.conversations[1].value
        for record in instruct.read(layout.conversations(NAME), NAME)
        if record.task == "camera"
    }
    asked = camera_questions(params)
    found = questions.matched(asked, table["video_id"])
    told |= {found[question.id]: question.answer for question in asked}
    learned = (table["split"] != "test").to_numpy()
    return np.array([told[video] for video in table["video_id"]]), learned


def camera_questions(params: Params) -> list[Question]:
    """Return the questions about the camera's movement."""
    settings = params.answer.questions[NAME]
    asked = questions.read(settings.file, settings.format)
    return [question for question in asked if question.kind == "camera"]


def layers(params: Params) -> pd.DataFrame:
    """Return how well a linear probe tells camera movements by each layer's statistics."""
    if set(params.temporal.layers) != set(CHANNELS):
        sys.exit(f"wanted temporal.layers {list(CHANNELS)}, found {params.temporal.layers}")
    table = manifest.read(layout.manifest(NAME))
    cache = TokenCache(layout.cache(NAME, "temporal"))
    tokens = np.stack([cache.read(v).tokens.astype(float).mean(0) for v in table["video_id"]])
    moves, learned = camera(params, table)
    contents = table["content"].to_numpy()
    ends = np.cumsum([0, *(4 * CHANNELS[layer] for layer in params.temporal.layers)])
    places = dict(zip(params.temporal.layers, pairwise(ends), strict=True))
    rows = []
    for kept in KEPT:
        x = tokens[:, np.concatenate([np.arange(*places[layer]) for layer in kept])]
        row = {"layers": ", ".join(kept)}
        for name, endings in PAIRS.items():
            asked = np.array([move.endswith(endings or ".") for move in moves])
            train, test = learned & asked, ~learned & asked
            scaled = (x - x[train].mean(0)) / (x[train].std(0) + 1e-6) / x.shape[1] ** 0.5
            probe = RidgeClassifier(alpha=PENALTY).fit(scaled[train], moves[train])
            right = probe.predict(scaled[test]) == moves[test]
            row[name] = shown(right, contents[test], params)
        rows.append(row)
    return pd.DataFrame(rows)


def shown(right: NDArray[np.bool_], contents: NDArray[np.str_], params: Params) -> str:
    """Return an accuracy with its interval."""
    codes = content_codes(list(contents), len(contents))
    counts = resample_counts(codes, params.evaluate.bootstrap, params.seed)
    assert counts is not None
    low, high = interval(counts @ right / counts.sum(axis=1))
    return f"{right.mean():.2f} [{low:.2f}, {high:.2f}]"


def tokens(params: Params, variants: Sequence[str]) -> pd.DataFrame:
    """Return the accuracy of heads that read both kinds of tokens, or one."""
    settings = params.answer.questions[NAME]
    asked = questions.read(settings.file, settings.format)
    table = manifest.read(layout.manifest(NAME))
    contents = dict(zip(table["video_id"], table["content"], strict=True))
    found = questions.matched(asked, table["video_id"])
    opened = [replace(q, id=f"open {q.id}", kind=f"{q.kind}, written", choices=()) for q in asked]
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
        rows = answer(head, every, found, caches, settings.choose_by, settings.most_tokens)
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
        name.removeprefix("kind "): f"{part['accuracy']:.2f} [{part['interval'][0]:.2f}, "
        f"{part['interval'][1]:.2f}], n {part['n']}"
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
    if what == "layers" and not variants:
        print(layers(load()).to_markdown(index=False, disable_numparse=True))
    elif what == "tokens" and set(variants) <= set(known):
        print(tokens(load(), variants or known).to_markdown())
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
