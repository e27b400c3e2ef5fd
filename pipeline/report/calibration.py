"""Whether stated probabilities and scores mean what they say, as curves of the report."""

import numpy as np
import pandas as pd

from llm_head.levels import LEVELS
from pipeline.report.figures import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Axis, Chart, Line

HEIGHT = 260
_BINS = 5
_CUTS = (20, 40, 60, 80)  # of llm_head.levels.level_of


def curves(predictions: pd.DataFrame) -> list[Chart]:
    """Return the level probabilities' reliability and the scores' calibration of the test split.

    A point on the diagonal says what happens. The first chart groups all statements "with
    probability p the level is L" by p, the second the videos, in equal numbers, by score.

    Args:
        predictions: from `pipeline.report.results.read_predictions`.

    Source: reliability diagrams as in Guo et al., arXiv:1706.04599, but of all five levels' stated
    probabilities, not of the likeliest one alone.
    """
    known = predictions[(predictions["split"] == "test") & predictions["mos"].notna()]
    known = known[known["score"].notna()]
    found = [_levels(known), _scores(known)]
    return [chart for chart in found if chart.lines]


def _levels(known: pd.DataFrame) -> Chart:
    stated = known[[f"p_{level}" for level in LEVELS]].to_numpy(float)
    there = np.isfinite(stated).all(axis=1)
    true = np.searchsorted(_CUTS, known["mos"].to_numpy(), side="right")[there]
    p, right = stated[there].ravel(), np.eye(len(LEVELS))[true].ravel()
    bins = np.minimum((p * _BINS).astype(int), _BINS - 1)
    groups = [(p[bins == i], right[bins == i]) for i in range(_BINS)]
    points = [
        (x.mean(), y.mean(), f"stated {x.mean():.0%}, right {y.mean():.0%} of {len(x)}")
        for x, y in groups
        if len(x)
    ]
    return _chart("share that was right", 1, points)


def _scores(known: pd.DataFrame) -> Chart:
    order = known.sort_values(["score", "video_id"])[["score", "mos"]].to_numpy(float)
    groups = [group.T for group in np.array_split(order, _BINS) if len(group)]
    points = [
        (x.mean(), y.mean(), f"predicted {x.mean():.1f}, label {y.mean():.1f}, {len(x)} videos")
        for x, y in groups
    ]
    return _chart("mean label", 100, points)


def _chart(title: str, end: float, points: list[tuple[float, float, str]]) -> Chart:
    x, y = Axis(0, end, LEFT, WIDTH - RIGHT), Axis(0, end, HEIGHT - BOTTOM, TOP)
    placed = [(x(float(a)), y(float(b)), text) for a, b, text in points]
    path = " ".join(f"{a},{b}" for a, b, _ in placed)
    return Chart(title, x, y, [Line("LMM-VQA", path, placed)] if points else [])
