"""How well timelines follow people: scores of seconds against labels of parts of videos."""

import math
from typing import Any

import numpy as np
import pandas as pd

from llm_head.bootstrap import MIN_CONTENTS, Floats, interval, resample_counts
from llm_head.compare import compare
from llm_head.metrics import score_metrics, srcc

SECONDS = ("video_id", "start_s", "score", "score_std", "level")  # the columns of timelines
SECOND_S = 1.0  # a row tells of the second that begins at start_s
MIN_OVERLAP = 0.5  # of a part, to be covered by the timeline's seconds
MIN_PARTS = 3  # of a video, to be ranked among themselves


def judge(
    timelines: pd.DataFrame, parts: pd.DataFrame, resamples: int, seed: int
) -> dict[str, Any]:
    """Compare the scores of seconds with the labels of parts, such as the chunks of YouTube-UGC.

    The score of a part is the mean over the seconds that it overlaps, weighed by how much of each
    lies in it. Parts may overlap each other, as those of YouTube-UGC do.

    Args:
        timelines: `SECONDS`, of any videos.
        parts: video_id, start_s, end_s, mos and mos_std on 0-100; those of videos that have no
            timeline are left out.
        resamples: of the bootstrap, which draws whole videos.
        seed: of the bootstrap.

    Returns:
        ``parts``: `score_metrics` over all of them. ``repeated``: the same for the mean of the
        video's whole timeline, repeated for each part; ``against_repeated``: `compare` of the two,
        which tells whether the timeline knows more than that some videos are better than others.
        ``within``: see `within`. ``overlap_mean`` and ``overlap_min``: share of a part that the
        seconds cover, of the parts that count; one covered by less than half is ``missing``.
        Empty if no part is of a video that has a timeline.
    """
    parts = parts[parts["video_id"].isin(timelines["video_id"]) & parts["mos"].notna()]
    if parts.empty:
        return {}
    seconds = {str(name): rows for name, rows in timelines.groupby("video_id")}
    rows = [
        _of_part(seconds[name], start_s, end_s)
        for name, start_s, end_s in zip(
            parts["video_id"], parts["start_s"], parts["end_s"], strict=True
        )
    ]
    score, overlap = np.array(rows, float).T
    repeated = np.array([seconds[name]["score"].mean() for name in parts["video_id"]])
    repeated[np.isnan(score)] = math.nan  # of the same parts
    mos, videos = parts["mos"].to_numpy(float), parts["video_id"].tolist()
    counted = overlap[np.isfinite(score)]
    return {
        "parts": score_metrics(score, mos, videos, resamples, seed, parts["mos_std"]),
        "repeated": score_metrics(repeated, mos, videos, resamples, seed),
        "against_repeated": compare(score, repeated, mos, videos, resamples, seed),
        "within": within(score, mos, videos, resamples, seed),
        "overlap_mean": float(counted.mean()) if counted.size else math.nan,
        "overlap_min": float(counted.min()) if counted.size else math.nan,
    }


def within(
    score: Floats, mos: Floats, videos: list[str], resamples: int, seed: int
) -> dict[str, Any]:
    """Return the mean over videos of the SRCC between the parts of one.

    Args:
        score: ``(n,)``, NaN where there is none; such a part is left out.
        mos: ``(n,)``.
        videos: of each part.

    Returns:
        ``srcc``, the mean, with the ends of its interval ``srcc_low`` and ``srcc_high`` (videos
        drawn); ``videos`` with at least 3 parts whose labels are not all the same; ``flat``, those
        of them whose scores are all the same: they count as 0, which is what breaking ties by
        chance gives on average. ``reason`` where something is not defined.
    """
    table = pd.DataFrame({"video": videos, "score": score, "mos": mos}).dropna()
    found, flat = [], 0
    for _, rows in table.groupby("video"):
        if len(rows) >= MIN_PARTS and rows["mos"].nunique() > 1:
            constant = rows["score"].nunique() == 1
            flat += constant
            found.append(0.0 if constant else srcc(rows["score"], rows["mos"]))
    values = np.array(found)
    counts = resample_counts(np.arange(len(values)), resamples, seed) if len(values) else None
    means = np.array([]) if counts is None else counts @ values / counts.sum(axis=1)
    low, high = interval(means)
    result: dict[str, Any] = {
        **{"videos": len(values), "flat": int(flat), "srcc_low": low, "srcc_high": high},
        "srcc": float(values.mean()) if len(values) else math.nan,
    }
    if not len(values):
        result["reason"] = f"no video has {MIN_PARTS} parts with labels that differ"
    elif counts is None:
        result["reason"] = f"no interval: fewer than {MIN_CONTENTS} videos"
    return result


def _of_part(seconds: pd.DataFrame, start_s: float, end_s: float) -> tuple[float, float]:
    """Return the score of a part, NaN where too little of it is covered, and the share covered."""
    begin = seconds["start_s"].to_numpy(float)
    inside = np.minimum(begin + SECOND_S, end_s) - np.maximum(begin, start_s)
    inside = inside.clip(min=0)
    share = float(inside.sum() / (end_s - start_s))
    if share < MIN_OVERLAP:
        return math.nan, share
    return float(inside @ seconds["score"].to_numpy(float) / inside.sum()), share
