"""Where things stand in the report's figures; the template draws them as SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

WIDTH, HEIGHT = 460, 400
LEFT, TOP, RIGHT, BOTTOM = 52, 12, 18, 46  # room for the axes
FOREST_LEFT = 205  # room for names
MAX_POINTS = 1000  # of one split in one panel; more would make the page heavy, not clearer
MAX_STEPS = 400

# the order is the palette's (--c0 ... in the template), so an impairment keeps its colour
IMPAIRMENTS = (
    *("none", "compression", "upscaling", "blur", "noise", "freeze", "low_frame_rate"),
    "not stated",
)


@dataclass(frozen=True)
class Axis:
    """A linear axis from a value range to pixels of the drawing.

    Attributes:
        low: value at `start_px`.
        high: value at `end_px`; larger than low.
        start_px: pixel of the low end; larger than end_px on a vertical axis.
        end_px: pixel of the high end.
    """

    low: float
    high: float
    start_px: float
    end_px: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value; one outside the range stands at the range's end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start_px + share * (self.end_px - self.start_px), 1)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """About five round values, as pixel and text."""
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(self(i * step), f"{i * step + 0.0:.6g}") for i in range(first, last + 1)]


@dataclass(frozen=True)
class Point:
    """A video in a scatter plot."""

    video_id: str
    x: float
    y: float
    colour: int
    split: str
    title: str


@dataclass(frozen=True)
class Scatter:
    """Predicted against labelled scores of one data set.

    Attributes:
        points: in drawing order, test on top.
        impairments: (colour, name, videos drawn) of the legend.
        splits: (name, videos drawn, videos with a score and a label) of the legend.
    """

    x: Axis
    y: Axis
    points: list[Point]
    impairments: list[tuple[int, str, int]]
    splits: list[tuple[str, int, int]]


@dataclass(frozen=True)
class Bar:
    """A value with its interval; `low` and `high` are None where there is none."""

    name: str
    y: float
    at: float
    low: float | None
    high: float | None
    title: str


@dataclass(frozen=True)
class Forest:
    """Several predictors' SRCC, one below the other; `height` of the drawing in pixels."""

    x: Axis
    height: float
    bars: list[Bar]


@dataclass(frozen=True)
class Line:
    """A curve: `path` for an SVG polyline, `points` as (x, y, title) where there are few."""

    name: str
    path: str
    points: list[tuple[float, float, str]]


@dataclass(frozen=True)
class Chart:
    """Curves over training steps."""

    title: str
    x: Axis
    y: Axis
    lines: list[Line]


def scatter(predictions: pd.DataFrame) -> Scatter:
    """Return the scatter plot of a data set; rows without a label or score have no place in it.

    Args:
        predictions: from `pipeline.report.results.read_predictions`.
    """
    known = predictions[predictions["mos"].notna() & predictions["score"].notna()]
    x = Axis(0, 100, LEFT, WIDTH - RIGHT)
    y = Axis(0, 100, HEIGHT - BOTTOM, TOP)
    points: list[Point] = []
    splits: list[tuple[str, int, int]] = []
    for split in ("train", "val", "test"):
        rows = known[known["split"] == split].sort_values("video_id")
        drawn = rows.iloc[:: max(1, math.ceil(len(rows) / MAX_POINTS))]
        for row in drawn.to_dict("records"):
            name = row["impairment"] or "not stated"
            title = (
                f"{row['video_id']}: label {row['mos']:.1f}, predicted {row['score']:.1f}, "
                f"{name}, {split}"
            )
            at = x(row["mos"]), y(row["score"])
            points.append(Point(row["video_id"], *at, _colour(name), split, title))
        if len(rows):
            splits.append((split, len(drawn), len(rows)))
    return Scatter(x, y, points, _legend(points), splits)


def forest(rows: Mapping[str, Mapping[str, Any]]) -> Forest:
    """Return the SRCC of several predictors with their intervals; one without an SRCC is left out.

    Args:
        rows: of `llm_head.metrics.score_metrics`, by the name to show.
    """
    known = {name: row for name, row in rows.items() if row["srcc"] is not None}
    ends = [row[key] for row in known.values() for key in ("srcc", "srcc_low") if row.get(key)]
    x = Axis(min(0.0, *ends) if ends else 0.0, 1, FOREST_LEFT, WIDTH - RIGHT)
    bars = []
    for i, (name, row) in enumerate(known.items()):
        low, high = row.get("srcc_low"), row.get("srcc_high")
        y, at, title = TOP + 12.0 + 26 * i, x(row["srcc"]), f"{name}: {row['srcc']:.3f}"
        if low is None or high is None:
            bars.append(Bar(name, y, at, None, None, title))
        else:
            title += f" [{low:.3f}, {high:.3f}]"
            bars.append(Bar(name, y, at, x(low), x(high), title))
    return Forest(x, TOP + 26 * len(known) + BOTTOM, bars)


def training_curves(loss: pd.DataFrame) -> list[Chart]:
    """Return the loss and, where it was measured, the validation SRCC over training steps.

    Args:
        loss: columns step, train_loss, val_loss, val_srcc; empty where not measured.
    """
    names = {"train_loss": "training", "val_loss": "validation"}
    charts = []
    for title, columns in (("loss", ("train_loss", "val_loss")), ("SRCC", ("val_srcc",))):
        series = {names.get(c, "validation"): _series(loss, c) for c in columns}
        values = [value for pairs in series.values() for _, value in pairs]
        if not values:
            continue
        low, high = min(0.0, *values), max(*values, 1.0 if title == "SRCC" else 1e-6)
        x = Axis(0, max(float(loss["step"].max()), 1.0), LEFT, WIDTH - RIGHT)
        y = Axis(low, high * (1 if title == "SRCC" else 1.05), 260 - BOTTOM, TOP)
        lines = [_line(name, pairs, x, y) for name, pairs in series.items() if pairs]
        charts.append(Chart(title, x, y, lines))
    return charts


def _colour(impairment: str) -> int:
    """Return a colour of the palette; an impairment that is not the demo's has the last one."""
    known = impairment in IMPAIRMENTS
    return IMPAIRMENTS.index(impairment) if known else len(IMPAIRMENTS)


def _legend(points: Sequence[Point]) -> list[tuple[int, str, int]]:
    names = (*IMPAIRMENTS, "other")
    counts = [sum(point.colour == i for point in points) for i in range(len(names))]
    return [
        (i, name.replace("_", " "), count)
        for i, (name, count) in enumerate(zip(names, counts, strict=True))
        if count
    ]


def _series(loss: pd.DataFrame, column: str) -> list[tuple[float, float]]:
    rows = loss[["step", column]].astype(float)
    rows = rows[rows[column].abs() < math.inf]  # a diverged run must not break its own report
    rows = rows.iloc[:: max(1, math.ceil(len(rows) / MAX_STEPS))]
    return [(float(step), float(value)) for step, value in rows.itertuples(index=False)]


def _line(name: str, pairs: list[tuple[float, float]], x: Axis, y: Axis) -> Line:
    path = " ".join(f"{x(step)},{y(value)}" for step, value in pairs)
    few = pairs if len(pairs) <= 40 else []
    points = [(x(s), y(v), f"{name}, step {s:.0f}: {v:.3f}") for s, v in few]
    return Line(name, path, points)
