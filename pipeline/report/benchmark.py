"""The table of the paper: rows models, columns data sets, SRCC / PLCC, the best bold.

Published numbers stand above those of this project's run. A dagger marks numbers that nobody has
replicated; numbers in doubt have a double dagger and are never the best.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.report.literature import published
from pipeline.report.table import NAMES, label_words, leak_words, random_words

PREDICTORS = (
    *("ridge_spatial", "ridge_temporal", "mlp_spatial", "mlp_temporal"),
    *("ridge", "svr", "mlp", "lmm_vqa_generated", "lmm_vqa"),
)
LABELS = {
    "lsvq": "LSVQ",
    "lsvq_1080p": "LSVQ-1080p",
    "konvid_1k": "KoNViD-1k",
    "live_vqc": "LIVE-VQC",
    "youtube_ugc": "YouTube-UGC",
    "live_yt_gaming": "LIVE-YT-Gaming",
    "cgvds": "CGVDS",
    "live_yt_hfr": "LIVE-YT-HFR",
    "waterloo_4k": "Waterloo-4K",
    "kvq": "KVQ",
    "finevd": "FineVD",
}
_TITLES = {
    "trained": "Not tuned on the data set tested (but for the sets trained on, own test split)",
    "fine_tuned": "Tuned and tested on parts of the data set (folds or repeated splits)",
}


@dataclass(frozen=True)
class Cell:
    """SRCC and PLCC of one model on one data set; NaN where there is none."""

    srcc: float = math.nan
    plcc: float = math.nan
    interval: tuple[float, float] | None = None  # 95 %, of the SRCC
    replicated: bool = True
    doubt: str = ""


@dataclass(frozen=True)
class Row:
    """One model."""

    model: str
    cells: Mapping[str, Cell]  # by data set
    own: bool  # of this project's run
    source: str = ""


@dataclass(frozen=True)
class Table:
    """One protocol: its models on the data sets."""

    title: str
    datasets: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())


def tables(
    metrics: Mapping[str, Any] | None,
    folds: Mapping[str, Mapping[str, Any]],
    metric_rows: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> list[Table]:
    """Return the tables of a run with what is published on its data sets.

    Without a run, all that is published. Data sets of which nothing is published have a column too.

    Args:
        metrics: of results/metrics.json, None if there is no run.
        folds: of results/folds/<dataset>.json, by data set.
        metric_rows: of results/baselines/<metric>/<dataset>.json, by metric and data set.
    """
    found = []
    for protocol, own, notes in (
        ("trained", _own_trained(metrics, metric_rows), _trained_notes(metrics)),
        ("fine_tuned", _own_folds(folds), _fold_notes(folds)),
    ):
        tested = {name for row in own for name in row.cells}
        if metrics is None or tested:
            theirs = _published(protocol, tested if metrics is not None else None)
            names = {name for row in (*theirs, *own) for name in row.cells}
            order = (*[n for n in LABELS if n in names], *sorted(names - set(LABELS)))
            found.append(Table(_TITLES[protocol], order, (*theirs, *own), tuple(notes)))
    return found


def _published(protocol: str, datasets: set[str] | None) -> list[Row]:
    table = published()
    table = table[table["protocol"] == protocol]
    if datasets is not None:
        table = table[table["dataset"].isin(datasets)]
    rows = []
    for (model, variant, source), group in table.groupby(
        ["model", "variant", "source"], sort=False
    ):
        cells = {
            str(cell["dataset"]): Cell(
                float(cell["srcc"]),
                float(cell["plcc"]),
                replicated=cell["replicated"] == "yes",
                doubt=str(cell["doubt"]),
            )
            for cell in group.to_dict("records")
        }
        name = f"{model} ({variant})" if variant else str(model)
        rows.append(Row(name, cells, own=False, source=str(source)))
    return rows


def _own_trained(
    metrics: Mapping[str, Any] | None,
    metric_rows: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> list[Row]:
    rows = [
        Row(metric, {name: _cell(numbers) for name, numbers in of.items()}, own=True)
        for metric, of in metric_rows.items()
    ]
    if metrics is None:
        return rows
    for predictor in PREDICTORS:
        cells = {
            of_set.get("benchmark", name): _cell(of_set["test"][predictor])
            for name, of_set in metrics["datasets"].items()
            if predictor in of_set.get("test", {})
        }
        if cells:
            rows.append(Row(NAMES[predictor], cells, own=True))
    return rows


def _own_folds(folds: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    rows = []
    for predictor in PREDICTORS:
        cells = {
            of_set.get("benchmark", name): _median(of_set, predictor)
            for name, of_set in folds.items()
            if predictor in of_set["median"]
        }
        if cells:
            rows.append(Row(NAMES[predictor], cells, own=True))
    return rows


def _median(of_set: Mapping[str, Any], predictor: str) -> Cell:
    median = of_set["median"][predictor]
    parts = [part[predictor]["srcc"] for part in of_set["parts"].values()]
    spread = None if None in parts else (min(parts), max(parts))
    return Cell(_number(median["srcc"]), _number(median["plcc_logistic"]), spread)


def _cell(numbers: Mapping[str, Any]) -> Cell:
    low, high = numbers.get("srcc_low"), numbers.get("srcc_high")
    interval = None if low is None or high is None else (low, high)
    return Cell(_number(numbers["srcc"]), _number(numbers["plcc_logistic"]), interval)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _trained_notes(metrics: Mapping[str, Any] | None) -> list[str]:
    if metrics is None:
        return []
    notes = [f"This run was trained on {', '.join(metrics.get('train_on', ['?']))}."]
    for name, of_set in metrics["datasets"].items():
        kind = "zero-shot" if of_set.get("zero_shot") else "its test split, in-domain"
        notes.append(f"{name}: {kind}; labels are {label_words(of_set['mos_source'])}.")
    if metrics["random_encoders"]:
        notes.insert(0, random_words(metrics["random_encoders"]))
    if metrics.get("leaks"):
        notes.insert(0, leak_words(metrics["leaks"]))
    return notes


def _fold_notes(folds: Mapping[str, Mapping[str, Any]]) -> list[str]:
    notes = []
    for name, of_set in folds.items():
        begun = ", ".join(of_set["start_trained_on"])
        start = f"from a head trained on {begun}" if begun else "from scratch"
        notes.append(
            f"{name}: median of {len(of_set['parts'])} {of_set['scheme']}, tuned {start}; in "
            "brackets the smallest and the largest."
        )
    return notes


def best(table: Table, dataset: str, metric: str) -> float:
    """Return the best value of a column that is not in doubt; NaN if there is none."""
    values = [
        getattr(row.cells[dataset], metric)
        for row in table.rows
        if dataset in row.cells and not row.cells[dataset].doubt
    ]
    return max((value for value in values if math.isfinite(value)), default=math.nan)


def sources(found: Sequence[Table]) -> list[str]:
    """Return the sources of the published rows, each once."""
    return list(dict.fromkeys(row.source for table in found for row in table.rows if row.source))
