"""The gallery of timelines: a score per second of the test videos whose seconds differ most."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from llm_head.reason import clock
from pipeline.report.facts import thumbnail
from pipeline.report.figures import Axis

WIDTH, HEIGHT = 260, 118
LEFT, TOP, RIGHT, BOTTOM = 30, 6, 4, 20  # room for the axes


@dataclass(frozen=True)
class Strip:
    """A video's timeline as it is drawn.

    Attributes:
        image: data URI of the first frame, empty if it cannot be decoded.
        score: of the whole video.
        line: path of the scores, a step per second.
        band: path of one deviation to both sides.
        worst: left and right end of the lowest second, in pixels; and in words.
        ticks: (pixel, text) of the time axis.
    """

    video_id: str
    image: str
    label: float | None
    score: float
    fall: float
    x: Axis
    y: Axis
    line: str
    band: str
    worst: tuple[float, float, str]
    ticks: list[tuple[float, str]]


def gallery(
    seconds: pd.DataFrame, predictions: pd.DataFrame, paths: dict[str, Path], count: int
) -> list[Strip]:
    """Return the timelines with the largest gap between best and worst second, the largest first.

    Args:
        seconds: from `pipeline.report.results.read_timelines`.
        predictions: from `pipeline.report.results.read_predictions`.
        paths: of the videos, by id.
        count: how many at most; a video of one second has no place here.
    """
    scores = seconds.groupby("video_id")["score"]
    falls = (scores.max() - scores.min())[scores.size() > 1].rename("fall").reset_index()
    falls = falls.sort_values(["fall", "video_id"], ascending=[False, True]).head(count)
    whole = predictions.set_index("video_id")
    parts = dict(list(seconds.groupby("video_id")))
    strips = []
    for video_id in falls["video_id"]:
        if video_id in whole.index:
            row = whole.loc[video_id]
            label = None if pd.isna(row["mos"]) else float(row["mos"])
            image, _ = thumbnail(paths.get(video_id))
            strips.append(_strip(video_id, image, label, float(row["score"]), parts[video_id]))
    return strips


def _strip(
    video_id: str, image: str, label: float | None, score: float, part: pd.DataFrame
) -> Strip:
    starts = part["start_s"].tolist()
    edges = [*starts, starts[-1] + 1]
    scores, spread = part["score"].tolist(), part["score_std"].tolist()
    x = Axis(edges[0], edges[-1], LEFT, WIDTH - RIGHT)
    y = Axis(0, 100, HEIGHT - BOTTOM, TOP)
    low = [y(value - std) for value, std in zip(scores, spread, strict=True)]
    high = [y(value + std) for value, std in zip(scores, spread, strict=True)]
    at_px = [x(edge) for edge in edges]
    lowest = scores.index(min(scores))
    back = _steps(list(reversed(at_px)), list(reversed(low)))
    said = f"{clock(starts[lowest])}: {scores[lowest]:.0f} ± {spread[lowest]:.0f}"
    ends = [(at_px[0], "start"), (at_px[-1], "end")]
    return Strip(
        video_id=video_id,
        image=image,
        label=label,
        score=score,
        fall=max(scores) - min(scores),
        x=x,
        y=y,
        line=f"M{_steps(at_px, [y(value) for value in scores])}",
        band=f"M{_steps(at_px, high)}L{back}Z",
        worst=(at_px[lowest], at_px[lowest + 1], said),
        ticks=[(at, clock(edges[0 if end == "start" else -1])) for at, end in ends],
    )


def _steps(at_px: Sequence[float], heights: Sequence[float]) -> str:
    """Return points of a path that keeps each height from one edge to the next.

    >>> _steps([0.0, 1.0, 2.0], [5.0, 7.0])
    '0.0 5.0L1.0 5.0L1.0 7.0L2.0 7.0'
    """
    corners = []
    for begin, end, height in zip(at_px, at_px[1:], heights, strict=False):
        corners += [f"{begin} {height}", f"{end} {height}"]
    return "L".join(corners)
