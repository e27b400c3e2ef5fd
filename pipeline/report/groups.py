"""The test split by kind of video: where predictions are good and where they are not."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from llm_head.breakdown import rate_of, resolution_of
from llm_head.metrics import score_metrics
from pipeline.report.figures import IMPAIRMENTS


@dataclass(frozen=True)
class Group:
    """Videos that have something in common.

    Attributes:
        label: mean label, 0-100.
        bias: mean of prediction minus label, in points.
        rmse: root mean square error, in points.
        srcc: within the group; NaN for fewer than 5 videos.
    """

    name: str
    videos: int
    label: float
    bias: float
    rmse: float
    srcc: float


def breakdowns(predictions: pd.DataFrame) -> dict[str, list[Group]]:
    """Return the groups by impairment, resolution and frame rate; what has one group is left out.

    Args:
        predictions: from `pipeline.report.results.read_predictions`.
    """
    known = predictions[(predictions["split"] == "test") & predictions["mos"].notna()]
    known = known[known["score"].notna()]
    sizes = zip(known["width"], known["height"], strict=True)
    rates = [rate_of(fps) for fps in known["fps"]]
    parts = {
        "impairment": _groups(known, known["impairment"]),
        "resolution": _groups(known, [resolution_of(width, height) for width, height in sizes]),
        "frame rate": _groups(known, [f"{rate} fps" if rate else "" for rate in rates]),
    }
    return {part: groups for part, groups in parts.items() if len(groups) > 1}


def _groups(known: pd.DataFrame, names: Iterable[str]) -> list[Group]:
    column = pd.Series(list(names), index=known.index, dtype=object)
    return [
        _group(str(name), known[column == name]) for name in sorted(set(column) - {""}, key=_order)
    ]


def _order(name: str) -> tuple[int, str]:
    """Sort impairments as in the figures' legend, sizes and rates by number."""
    number = name.rstrip("p").removesuffix(" fps")
    if number.isdigit():
        return int(number), name
    return IMPAIRMENTS.index(name) if name in IMPAIRMENTS else len(IMPAIRMENTS), name


def _group(name: str, rows: pd.DataFrame) -> Group:
    numbers = score_metrics(rows["score"], rows["mos"], resamples=0)
    return Group(
        name=name.replace("_", " "),
        videos=len(rows),
        label=float(rows["mos"].mean()),
        bias=float((rows["score"] - rows["mos"]).mean()),
        rmse=float(numbers["rmse"]),
        srcc=float(numbers["srcc"]),
    )
