"""Metrics, predictions and facts to one HTML page that needs nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.report import figures, table
from pipeline.report.facts import CacheFacts, Miss
from pipeline.report.results import ANSWERS, PREDICTORS, SPLITS
from pipeline.settings import Params


@dataclass(frozen=True)
class Panel:
    """What the page shows of one data set."""

    name: str
    labels: str
    verdict: str
    scores: list[tuple[str, str, tuple[str, ...]]]
    answers: list[tuple[str, str, str]]
    notes: list[str]
    scatter: figures.Scatter
    impairments: list[str]
    answered: list[str]
    confusion: dict[str, dict[str, int]]
    misses: list[Miss]


def panel(
    name: str,
    metrics: Mapping[str, Any],
    predictions: pd.DataFrame,
    misses: list[Miss],
    seen: int | None,
) -> Panel:
    """Return what the page shows of one data set.

    Args:
        name: of the data set.
        metrics: of this data set, out of results/metrics.json.
        predictions: from `pipeline.report.results.read_predictions`.
        misses: from `pipeline.report.facts.worst_misses`.
        seen: contents of the test split that are in the training split too; None if the head was
            not tuned on this data set.
    """
    present = [(split, metrics[split]) for split in SPLITS if split in metrics]
    confusion = metrics.get("test", {}).get("impairment", {}).get("confusion", {})
    answered = {answer for row in confusion.values() for answer in row}
    order = [*figures.IMPAIRMENTS, *sorted(answered | set(confusion))]
    return Panel(
        name=name,
        labels=table.label_words(metrics["mos_source"]),
        verdict=verdict(name, metrics, seen),
        scores=[
            (split, table.NAMES[predictor], table.score_cells(numbers[predictor]))
            for split, numbers in present
            for predictor in PREDICTORS
            if predictor in numbers
        ],
        answers=[
            (split, answer, table.answer_words(numbers[answer]))
            for split, numbers in present
            for answer in ANSWERS
            if answer in numbers
        ],
        notes=table.reasons(metrics),
        scatter=figures.scatter(predictions),
        impairments=[name for name in dict.fromkeys(order) if name in confusion],
        answered=[name for name in dict.fromkeys(order) if name in answered],
        confusion=confusion,
        misses=misses,
    )


def verdict(name: str, metrics: Mapping[str, Any], seen: int | None) -> str:
    """Return the result for a data set in words: SRCC on unseen videos, and against baselines."""
    numbers = metrics.get("test")
    if not numbers or numbers["lmm_vqa"]["srcc"] is None:
        return f"{name}: no correlation can be told from its test split."
    ours = numbers["lmm_vqa"]
    grouped = ours["contents"] < ours["n"]
    what = f"{ours['n']} videos" + (f" of {ours['contents']} scenes" if grouped else "")
    if seen is None:
        unseen = "of a data set that it was not trained on"
    elif seen:
        unseen = f"of which {seen} {'scenes' if grouped else 'videos'} are in its training set too"
    else:
        unseen = "that it was not trained on"
    text = (
        f"{name}: SRCC {table.with_interval(ours, 'srcc')} on {what} {unseen}, "
        f"against {table.label_words(metrics['mos_source'])}."
    )
    others = [n for n in ("ridge", "svr") if numbers.get(n, {}).get("srcc") is not None]
    if not others:
        return text
    best = max(others, key=lambda n: float(numbers[n]["srcc"]))
    which = "The better baseline" if len(others) > 1 else "The baseline"
    return (
        f"{text} {which}, {table.NAMES[best]}, reaches "
        f"{table.with_interval(numbers[best], 'srcc')}{_compared(ours, numbers[best])}"
    )


def render(
    params: Params,
    panels: list[Panel],
    random_encoders: list[str],
    loss: pd.DataFrame,
    caches: list[CacheFacts],
    trained_videos: int,
    versions: Mapping[str, str],
    commit: str,
) -> str:
    """Return the page. The same arguments give the same text.

    Args:
        params: of the run.
        panels: one per data set with labels.
        random_encoders: kinds of encoder that had random weights.
        loss: of results/model/loss.csv.
        caches: of every data set.
        trained_videos: labelled videos in the training split.
        versions: by package.
        commit: of the repository, or empty.
    """
    environment = Environment(
        loader=PackageLoader("pipeline", "report"),
        autoescape=True,  # ids and names come from strangers' tables
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        params=params,
        settings=params.model_dump_json(indent=2, exclude={"run"}),  # `run` changes no number
        panels=panels,
        warning=table.random_words(random_encoders) if random_encoders else "",
        charts=figures.training_curves(loss),
        palette=len(figures.IMPAIRMENTS) + 1,
        size=(figures.WIDTH, figures.HEIGHT),
        caches=caches,
        trained_videos=trained_videos,
        versions=versions,
        commit=commit,
    )


def _compared(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """Say what the two intervals allow to be said."""
    if None in (ours["srcc_low"], theirs["srcc_low"]):
        return "; too few scenes for intervals."
    if ours["srcc_low"] > theirs["srcc_high"]:
        return "; the intervals do not meet: the language model does better."
    if ours["srcc_high"] < theirs["srcc_low"]:
        return "; the intervals do not meet: the language model does worse."
    return "; the intervals overlap, so neither is shown to be better."
