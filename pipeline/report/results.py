"""Predictions to numbers: what stage evaluate writes and stage report shows."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from llm_head.baselines import BASELINES, HEADS
from llm_head.breakdown import breakdown
from llm_head.calibration import level_calibration, std_calibration
from llm_head.compare import compare
from llm_head.levels import LEVELS, level_of
from llm_head.metrics import answer_metrics, confusion, score_metrics
from llm_head.questions import CLOSED
from llm_head.timeline_metrics import SECONDS, judge
from pipeline.labels import CHUNK_COLUMNS
from pipeline.settings import Params

PREDICTORS = {
    "lmm_vqa": "score",
    "lmm_vqa_generated": "score_generated",
    "lmm_vqa_digits": "score_digits",
    "lmm_vqa_calibrated": "score_calibrated",
    **{name: name for name in BASELINES},
}
ANSWERS = {"level": "level", **{task: f"{task}_answer" for task in CLOSED}}
SPLITS = ("test", "val")

NUMBER_COLUMNS = ("mos", "score", "score_std", "score_generated", "ridge", "svr")
TEXT_COLUMNS = ("video_id", "split", "content", *CLOSED, "mos_source", *ANSWERS.values())
# not every data set and not every head has these; "" or NaN where they are not
OPTIONAL_TEXT = ("severity", "severity_answer")
PROBABILITIES = tuple(f"p_{level}" for level in LEVELS)
OPTIONAL_COLUMNS = (
    *("mos_std", "width", "height", "fps", "score_digits", "score_calibrated"),
    *("ridge_spatial", "ridge_temporal", *HEADS),
    *PROBABILITIES,
)


class ResultsError(ValueError):
    """A file that an earlier stage writes is missing or is not what that stage writes."""


def read_predictions(path: Path) -> pd.DataFrame:
    """Read predictions; text columns hold "" where nothing is known, numbers NaN.

    Raises:
        ResultsError: if the file is missing, lacks a column, or holds text for a number.
    """
    if not path.is_file():
        raise ResultsError(f"{path}: missing; run `lmm-vqa predict {path.stem}`")
    numbers = (*NUMBER_COLUMNS, *OPTIONAL_COLUMNS)
    try:
        # an id may be "NA" or "null": only an empty cell of a number means that there is none
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(TEXT_COLUMNS, str) | dict.fromkeys(numbers, float),
            keep_default_na=False,
            na_values={column: [""] for column in numbers},
        )
    except (ValueError, UnicodeError) as error:
        raise ResultsError(f"{path}: not predictions: {error}") from error
    wanted = {*TEXT_COLUMNS, *NUMBER_COLUMNS} - {*OPTIONAL_TEXT}
    missing = sorted(wanted - {*table.columns})
    if missing:
        raise ResultsError(f"{path}: columns {missing} are missing; run the predict stage again")
    return _with_optional(table)


def read_timelines(path: Path) -> pd.DataFrame:
    """Read the scores of each second; in the order of videos and, within a video, of time.

    Raises:
        ResultsError: if the file is missing, or is not what stage predict writes.
    """
    if not path.is_file():
        raise ResultsError(f"{path}: missing; run `lmm-vqa predict {path.stem}`")
    try:
        numbers = {"start_s": float, "score": float, "score_std": float}
        types = {"video_id": str, "level": str, **numbers}
        table = pd.read_csv(path, dtype=types, keep_default_na=False)
    except (ValueError, UnicodeError) as error:
        raise ResultsError(f"{path}: not timelines: {error}") from error
    missing = [column for column in SECONDS if column not in table]
    if missing:
        raise ResultsError(f"{path}: columns {missing} are missing; run the predict stage again")
    return table


def read_chunk_labels(path: Path) -> pd.DataFrame:
    """Read the labels of parts of videos; none where there is no file (a manifest made by hand).

    Raises:
        ResultsError: if the file is not what stage manifest writes.
    """
    if not path.is_file():
        return pd.DataFrame(columns=list(CHUNK_COLUMNS))
    try:
        numbers = [column for column in CHUNK_COLUMNS if column != "video_id"]
        table = pd.read_csv(
            path,
            dtype={"video_id": str} | dict.fromkeys(numbers, float),
            keep_default_na=False,
            na_values={column: [""] for column in numbers},
        )
    except (ValueError, UnicodeError) as error:
        raise ResultsError(f"{path}: not labels of parts of videos: {error}") from error
    if tuple(table.columns) != CHUNK_COLUMNS:
        raise ResultsError(f"{path}: wanted the columns {CHUNK_COLUMNS}; run the manifest stage")
    return table


def timeline_metrics(
    timelines: Path, chunk_labels: Path, resamples: int, seed: int
) -> dict[str, Any]:
    """Return the numbers of `llm_head.timeline_metrics.judge`; empty without labels of parts.

    Raises:
        ResultsError: if there are such labels and no timelines, or a file is wrong.
    """
    parts = read_chunk_labels(chunk_labels)
    return {} if parts.empty else judge(read_timelines(timelines), parts, resamples, seed)


def _with_optional(table: pd.DataFrame) -> pd.DataFrame:
    blank = dict.fromkeys(OPTIONAL_TEXT, "") | dict.fromkeys(OPTIONAL_COLUMNS, math.nan)
    return table.assign(**{name: value for name, value in blank.items() if name not in table})


def benchmark_name(name: str, params: Params) -> str:
    """Return by which name a data set is compared with published numbers.

    Raises:
        ResultsError: if params.yaml has no such data set.
    """
    if name not in params.datasets:
        raise ResultsError(f"params.yaml has no data set {name!r}; it has {list(params.datasets)}")
    adapter = params.datasets[name].adapter
    return name if adapter == "csv" else adapter


def read_json(path: Path, stage: str) -> dict[str, Any]:
    """Read a JSON object that `stage` writes.

    Raises:
        ResultsError: if the file is missing or holds something else.
    """
    if not path.is_file():
        raise ResultsError(f"{path}: missing; run `lmm-vqa {stage}`")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ResultsError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ResultsError(f"{path}: holds {type(content).__name__}; wanted an object")
    return content


def dataset_metrics(table: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    """Return the metrics of one data set.

    Args:
        table: from `read_predictions`.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        ``mos_source`` and, for each of the splits test and val that has labels, the numbers of
        `score_metrics` by predictor and of `answer_metrics` by answer; of the head also its
        ``calibration``, its ``breakdown`` by kind of video, and ``against``, the paired tests
        against each baseline. Empty if there is no label.
    """
    table = _with_optional(table)
    # frozen and dropped frames have no score, but an impairment to be named
    known = table[table["mos"].notna() | (table[list(CLOSED)] != "").any(axis=1)]
    splits = {
        split: _split_metrics(known[known["split"] == split], resamples, seed)
        for split in SPLITS
        if (known["split"] == split).any()
    }
    return {"mos_source": mos_source(known), **splits} if splits else {}


def mos_source(table: pd.DataFrame) -> str:
    """Return where the labels of a table come from; several sources are joined by a comma."""
    sources = table.loc[table["mos"].notna(), "mos_source"]
    return ", ".join(sorted({source or "not stated" for source in sources}))


def rounded(value: Any) -> Any:
    """Return metrics as they are written: 6 decimals, None for what is not defined."""
    if isinstance(value, Mapping):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        # a p of 0.00003 is not zero
        return round(value, 6) if abs(value) >= 0.001 else float(f"{value:.3g}")
    return value


def _split_metrics(table: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    contents = table["content"].tolist()
    there = {  # a head that reads one kind of tokens has no baseline of the other; nor is every
        # head taught to write numbers, or to name what is wrong
        name: column
        for name, column in PREDICTORS.items()
        if column == "score" or table[column].notna().any()
    }
    scores: dict[str, Any] = {
        name: score_metrics(
            table[column], table["mos"], contents, resamples, seed, table["mos_std"]
        )
        for name, column in there.items()
    }
    truths = {
        "level": ["" if math.isnan(mos) else level_of(mos) for mos in table["mos"]],
        **{task: table[task].tolist() for task in CLOSED},
    }
    answers: dict[str, dict[str, Any]] = {}
    for name, truth in truths.items():
        given = table[ANSWERS[name]].tolist()
        if any(truth) and any(given):
            answers[name] = dict(answer_metrics(given, truth, contents, resamples, seed))
            if name in ("level", "impairment"):
                answers[name]["confusion"] = confusion(given, truth)
    calibration = {
        "levels": level_calibration(table[list(PROBABILITIES)], truths["level"]),
        "score_std": std_calibration(table["score"], table["score_std"], table["mos"]),
    }
    against = {
        name: compare(table["score"], table[name], table["mos"], contents, resamples, seed)
        for name in BASELINES
        if name in there
    }
    parts = {"calibration": calibration, "breakdown": breakdown(table, "score")}
    return {**scores, **answers, **parts, "against": against}
