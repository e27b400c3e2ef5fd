"""The same numbers by kind of video: where a pooled correlation comes from.

A pooled correlation over several resolutions or frame rates can be high because the groups differ,
though within each group scores say little; within one content it tells whether scores see quality
rather than the scene.
"""

import math
from typing import Any

import numpy as np
import pandas as pd

from llm_head.metrics import MIN_ROWS, score_metrics

LINES = (240, 360, 480, 540, 720, 1080, 1440, 2160, 4320)  # the usual ladder
RATES_FPS = (12, 15, 24, 25, 30, 48, 50, 60, 90, 100, 120)
_KEPT = ("n", "srcc", "plcc", "rmse")


def resolution_of(width: float, height: float) -> str:
    """Return the rung of the ladder that a frame size is nearest to, by its short side.

    >>> resolution_of(1920, 1080), resolution_of(1080, 1920), resolution_of(404, 720)
    ('1080p', '1080p', '360p')
    """
    short = min(width, height)
    return f"{min(LINES, key=lambda lines: abs(lines - short))}p" if short > 0 else ""


def rate_of(fps: float) -> str:
    """Return the usual frame rate next to this one, or the rounded rate if none is within 2 %.

    >>> rate_of(29.97), rate_of(23.976), rate_of(17.3)
    ('30', '24', '17')
    """
    if not fps > 0:
        return ""
    usual = min(RATES_FPS, key=lambda rate: abs(rate - fps))
    return str(usual if abs(usual - fps) <= 0.02 * usual else round(fps))


def breakdown(table: pd.DataFrame, column: str) -> dict[str, Any]:
    """Return the metrics of one predictor by resolution, frame rate and content.

    Args:
        table: predictions with mos, content, width, height, fps and the predictor's column.
        column: of the predictor.

    Returns:
        ``resolution`` and ``frame_rate``: by group its ``n``, ``srcc``, ``plcc``, ``rmse`` and,
        where something is not defined (fewer than 5 videos), the ``reason``. ``content``: the
        number of ``contents`` with at least 5 labelled videos and the quartiles over them of the
        SRCC within a content (``srcc_q1``, ``srcc_median``, ``srcc_q3``), with each in ``groups``.
        A part of which nothing is known, or which has one group only, is left out.
    """
    labelled = table[table["mos"].notna()]
    sizes = zip(labelled["width"], labelled["height"], strict=True)
    names = {
        "resolution": [resolution_of(width, height) for width, height in sizes],
        "frame_rate": [rate_of(fps) for fps in labelled["fps"]],
    }
    found: dict[str, Any] = {}
    for part, of_row in names.items():
        rows = labelled.groupby(np.array(of_row, dtype=object))
        groups = {str(name): _numbers(group, column) for name, group in rows if name}
        if len(groups) > 1:
            found[part] = dict(sorted(groups.items(), key=lambda item: float(item[0].strip("p"))))
    contents = {
        str(name): _numbers(group, column)
        for name, group in labelled.groupby("content")
        if name and len(group) >= MIN_ROWS
    }
    within = [row["srcc"] for row in contents.values() if math.isfinite(row["srcc"])]
    if len(within) > 1:
        q1, median, q3 = np.percentile(within, [25, 50, 75])
        found["content"] = {
            **{"contents": len(within), "srcc_q1": float(q1), "srcc_median": float(median)},
            **{"srcc_q3": float(q3), "groups": contents},
        }
    return found


def _numbers(group: pd.DataFrame, column: str) -> dict[str, Any]:
    found = score_metrics(group[column], group["mos"], resamples=0)
    numbers = {name: found[name] for name in _KEPT}
    if not math.isfinite(float(found["srcc"])):  # failed fits are not shown here
        numbers["reason"] = found["reason"]
    return numbers
