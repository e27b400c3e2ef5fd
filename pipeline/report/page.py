"""Metrics, predictions and facts to one HTML page that needs nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from llm_head.baselines import BASELINES
from pipeline import layout
from pipeline.report import calibration, figures, table, timelines
from pipeline.report.facts import CacheFacts, DataFacts, Miss, Picture
from pipeline.report.groups import Group, breakdowns
from pipeline.report.results import ANSWERS, PREDICTORS, SPLITS
from pipeline.settings import Params


@dataclass(frozen=True)
class Tile:
    """A number to be read at a glance, and what it is in words."""

    value: str
    words: str


@dataclass(frozen=True)
class Panel:
    """What the page shows of one data set."""

    name: str
    labels: str
    verdict: str
    tiles: list[Tile]
    scores: list[tuple[str, str, tuple[str, ...]]]
    answers: list[tuple[str, str, str]]
    notes: list[str]
    scatter: figures.Scatter
    pictures: dict[str, Picture]
    forest: figures.Forest
    groups: dict[str, list[Group]]
    contents: str
    calibration: list[figures.Chart]
    trust: str
    impairments: list[str]
    answered: list[str]
    confusion: dict[str, dict[str, int]]
    misses: list[Miss]
    strips: list[timelines.Strip]
    of_parts: str


def panel(
    name: str,
    metrics: Mapping[str, Any],
    predictions: pd.DataFrame,
    misses: list[Miss],
    pictures: dict[str, Picture],
    strips: list[timelines.Strip],
    seen: int | None,
) -> Panel:
    """Return what the page shows of one data set.

    Args:
        name: of the data set.
        metrics: of this data set, out of results/metrics.json.
        predictions: from `pipeline.report.results.read_predictions`.
        misses: from `pipeline.report.facts.worst_misses`.
        pictures: from `pipeline.report.facts.pictures`.
        strips: from `pipeline.report.timelines.gallery`.
        seen: contents of the test split that are in the training split too; None if the head was
            not tuned on this data set.
    """
    present = [(split, metrics[split]) for split in SPLITS if split in metrics]
    test = metrics.get("test", {})
    confusion = test.get("impairment", {}).get("confusion", {})
    answered = {answer for row in confusion.values() for answer in row}
    order = [*figures.IMPAIRMENTS, *sorted(answered | set(confusion))]
    return Panel(
        name=name,
        labels=table.label_words(metrics["mos_source"]),
        verdict=verdict(name, metrics, seen),
        tiles=tiles(test),
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
        pictures=pictures,
        forest=figures.forest({table.NAMES[p]: test[p] for p in PREDICTORS if p in test}),
        groups=breakdowns(predictions),
        contents=_contents(test.get("breakdown", {}).get("content", {})),
        calibration=calibration.curves(predictions),
        trust=_trust(test.get("calibration", {})),
        impairments=[name for name in dict.fromkeys(order) if name in confusion],
        answered=[name for name in dict.fromkeys(order) if name in answered],
        confusion=confusion,
        misses=misses,
        strips=strips,
        of_parts=table.timeline_words(metrics["timeline"]) if "timeline" in metrics else "",
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
    others = [n for n in BASELINES if numbers.get(n, {}).get("srcc") is not None]
    if not others:
        return text
    best = max(others, key=lambda n: float(numbers[n]["srcc"]))
    which = "The best baseline" if len(others) > 1 else "The baseline"
    reached = table.with_interval(numbers[best], "srcc")
    return (
        f"{text} {which}, {table.NAMES[best]}, reaches {reached}; "
        f"LMM-VQA against it: {table.against_words(numbers['against'][best])}."
    )


def tiles(test: Mapping[str, Any]) -> list[Tile]:
    """Return the headline numbers of a test split; none if no correlation can be told.

    Pairs: a share (1 + KRCC) / 2 of all pairs of videos is put in the right order, ties apart.
    """
    ours = test.get("lmm_vqa", {})
    if ours.get("srcc") is None:
        return []
    pairs = {k: v for k, v in ours.items() if k.startswith("krcc") and v is not None}
    share = {key: (1 + value) / 2 for key, value in pairs.items()}
    found = [
        Tile(table.number(ours["srcc"], 2), f"SRCC{_range(ours, 'srcc', 2)}; 1 is perfect"),
        Tile(
            _percent(share["krcc"]),
            f"of pairs of videos in the right order{_range(share, 'krcc')}; chance: 50 %",
        ),
        Tile(
            f"±{ours['rmse']:.0f}",
            f"points of 100 is the typical error (RMSE){_range(ours, 'rmse', 0)}",
        ),
    ]
    named = test.get("impairment")
    if named and named["accuracy"] is not None:
        said = f"of impairments named right{_range(named, 'accuracy')}"
        commonest = f"always the commonest: {_percent(named['majority'])}"
        found.append(Tile(_percent(named["accuracy"]), f"{said}; {commonest}"))
    return found


def render(
    params: Params,
    panels: list[Panel],
    metrics: Mapping[str, Any],
    loss: pd.DataFrame,
    data: list[DataFacts],
    caches: list[CacheFacts],
    trained_videos: int,
    versions: Mapping[str, str],
    commit: str,
) -> str:
    """Return the page. The same arguments give the same text.

    Args:
        params: of the run.
        panels: one per data set with labels.
        metrics: of results/metrics.json, for what holds of all data sets.
        loss: of results/model/loss.csv.
        data: of every data set that has panels.
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
        llm=_llm(params),
        settings=params.model_dump_json(indent=2, exclude={"run"}),  # `run` changes no number
        panels=panels,
        warning=table.random_words(random) if (random := metrics["random_encoders"]) else "",
        leaks=table.leak_words(metrics["leaks"]) if metrics.get("leaks") else "",
        charts=figures.training_curves(loss),
        palette=len(figures.IMPAIRMENTS) + 1,
        size=(figures.WIDTH, figures.HEIGHT),
        strip_size=(timelines.WIDTH, timelines.HEIGHT),
        data=data,
        caches=caches,
        trained_videos=trained_videos,
        versions=versions,
        commit=commit,
    )


def _llm(params: Params) -> str:
    """Return the language model's name; a folder that stage weights fills has its package's."""
    packaged = params.tune.llm == str(layout.weights("llm")) and params.weights.llm != "none"
    return params.weights.llm if packaged else params.tune.llm


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _range(row: Mapping[str, Any], name: str, decimals: int | None = None) -> str:
    """Return a 95 % interval in words, in per cent without `decimals`; "" where there is none."""
    ends = row.get(f"{name}_low"), row.get(f"{name}_high")
    if ends[0] is None or ends[1] is None:
        return ""
    if decimals is None:
        return f", 95 % interval {100 * ends[0]:.0f} to {_percent(ends[1])}"
    return f", 95 % interval {ends[0]:.{decimals}f} to {ends[1]:.{decimals}f}"


def _contents(row: Mapping[str, Any]) -> str:
    if not row:
        return ""
    quartiles = " to ".join(table.number(row[f"srcc_{q}"], 2) for q in ("q1", "q3"))
    return (
        f"Within a scene, where only quality differs: median SRCC "
        f"{table.number(row['srcc_median'], 2)} over {row['contents']} scenes with at least five "
        f"videos (middle half: {quartiles})"
    )


def _trust(row: Mapping[str, Any]) -> str:
    """Return in words how far probabilities and deviations hold."""
    said = []
    levels, stated = row.get("levels", {}), row.get("score_std", {})
    if levels.get("ece") is not None:
        said.append(
            f"stated probability of the likeliest level and how often it was right differ by "
            f"{_percent(levels['ece'])} on average (calibration error)"
        )
    if stated.get("coverage_68") is not None:
        said.append(
            f"{_percent(stated['coverage_68'])} of labels lie within one stated deviation of the "
            f"score (68 % if it were a calibrated normal error) and "
            f"{_percent(stated['coverage_95'])} within 1.96 (95 %)"
        )
    return "; ".join(said)
