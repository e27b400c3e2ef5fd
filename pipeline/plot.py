"""Timelines of scores: as characters on a terminal, as a picture in a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_head.reason import clock
from pipeline.atomic import replacing

SUFFIXES = (".png", ".svg")
MOST_VIDEOS = 40  # panels of one picture
_BARS = "▁▂▃▄▅▆▇█"


class PlotError(ValueError):
    """The picture cannot be drawn."""


def sparkline(scores: Sequence[float], width: int) -> str:
    """Return a bar per second, lowest at 0 and highest at 100; the lowest of several if too long.

    >>> sparkline([0, 50, 100], width=80)
    '▁▅█'
    """
    step = -(-len(scores) // width)
    lowest = [min(scores[at : at + step]) for at in range(0, len(scores), step)]
    return "".join(_BARS[min(int(score / 100 * len(_BARS)), len(_BARS) - 1)] for score in lowest)


def plot(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write a PNG or SVG with a panel per video: score per second with its deviation.

    Args:
        rows: of `Scored.row`, with timelines.

    Raises:
        PlotError: if the suffix is another, or there are more than 40 videos or none.
    """
    check(path, len(rows))
    from matplotlib import rc_context  # a second's import that few need
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    height = 1.1 + 1.6 * len(rows)
    figure = Figure(figsize=(8, height), layout="constrained")
    panels = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
    for panel, row in zip(panels, rows, strict=True):
        seconds = row["timeline"]
        edges = [second["start_s"] for second in seconds]
        edges.append(edges[-1] + 1)
        scores = [second["score"] for second in seconds]
        spread = [second["score_std"] for second in seconds]
        low = [score - std for score, std in zip(scores, spread, strict=True)]
        high = [score + std for score, std in zip(scores, spread, strict=True)]
        panel.fill_between(
            edges, [*low, low[-1]], [*high, high[-1]], step="post", alpha=0.25, linewidth=0
        )
        panel.stairs(scores, edges, baseline=None, linewidth=1.8)
        panel.axhline(row["score"], linestyle=":", linewidth=1, color="0.4")
        panel.set(ylim=(0, 100), xlim=(edges[0], edges[-1]), yticks=range(0, 101, 20))
        panel.set_title(
            f"{row['video']}: {row['score']:.0f}", fontsize=9, loc="left", parse_math=False
        )
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.xaxis.set_major_formatter(lambda at_s, _: clock(at_s))
        panel.grid(alpha=0.3)
    panels[-1].set_xlabel("time")
    figure.supylabel("score")
    # no dates and fixed ids: the same scores give the same bytes
    fixed: dict[str, Any] = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with rc_context({"svg.hashsalt": "lmm-vqa"}), replacing(path) as tmp:
        figure.savefig(tmp, dpi=120, format=path.suffix[1:], metadata=fixed)


def check(path: Path, videos: int) -> None:
    """Raise PlotError unless `plot` can draw this; before the work of scoring is done."""
    if path.suffix not in SUFFIXES:
        raise PlotError(f"{path}: wanted a name that ends in {' or '.join(SUFFIXES)}")
    if not 1 <= videos <= MOST_VIDEOS:
        raise PlotError(f"{path}: a picture of {videos} videos; wanted 1 to {MOST_VIDEOS}")
