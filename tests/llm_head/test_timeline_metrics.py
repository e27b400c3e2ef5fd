from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from llm_head.timeline_metrics import judge, within


def timeline(video: str, scores: list[float], start_s: float = 0.0) -> pd.DataFrame:
    starts = start_s + np.arange(len(scores), dtype=float)
    return pd.DataFrame({"video_id": video, "start_s": starts, "score": scores})


def parts(video: str, *rows: tuple[float, float, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["start_s", "end_s", "mos"])
    return table.assign(video_id=video, mos_std=np.nan)


def test_a_part_is_the_mean_of_the_seconds_it_overlaps_by_hand() -> None:
    seconds = pd.concat([timeline("a", [10, 20, 60, 70]), timeline("b", [50, 50])])
    # (10 + 20) / 2; half of 20, all of 60, half of 70; and 60 with nothing after the end
    labels = parts("a", (0, 2, 15), (1.5, 3.5, 52.5), (2, 3, 60))
    labels = pd.concat([labels, parts("b", (0, 1, 53), (1, 2, 47)), parts("not there", (0, 1, 0))])
    found = judge(seconds, labels, 100, 0)
    assert (found["parts"]["n"], found["parts"]["contents"], found["parts"]["missing"]) == (5, 2, 0)
    assert found["parts"]["rmse"] == pytest.approx(np.sqrt((3**2 + 3**2) / 5))
    assert found["repeated"]["rmse"] == pytest.approx(
        np.sqrt(((40 - 15) ** 2 + (40 - 52.5) ** 2 + (40 - 60) ** 2 + 3**2 + 3**2) / 5)
    )
    assert found["overlap_mean"] == found["overlap_min"] == 1


def test_what_the_seconds_do_not_cover_does_not_count() -> None:
    seconds = timeline("a", [30, 40, 50], start_s=0.25)
    found = judge(seconds, parts("a", (0, 1, 30), (2, 4, 44), (3, 5, 1), (9, 10, 1)), 100, 0)
    # 0.75 of [0, 1); of [2, 4) the seconds from 1.25 and from 2.25, 1.25 s together
    assert (found["parts"]["n"], found["parts"]["missing"]) == (2, 2)
    assert found["overlap_min"] == 0.625 and found["overlap_mean"] == (0.75 + 0.625) / 2
    second = (0.25 * 40 + 1.0 * 50) / 1.25
    assert found["parts"]["rmse"] == pytest.approx(abs(second - 44) / np.sqrt(2))
    assert found["repeated"]["n"] == 2  # the same parts are compared


def test_pooled_numbers_are_those_of_scipy_and_whole_videos_are_drawn() -> None:
    rng = np.random.default_rng(0)
    labels, seconds = [], []
    for number in range(40):
        base = rng.uniform(10, 90)
        seconds.append(timeline(f"v{number}", list(base + rng.normal(0, 10, 20))))
        rows = [(s, s + 10, base + rng.normal(0, 10)) for s in (0, 5, 10)]
        labels.append(parts(f"v{number}", *rows))
    found = judge(pd.concat(seconds), pd.concat(labels), 300, 0)
    scores = [s["score"][b : b + 10].mean() for s in seconds for b in (0, 5, 10)]
    expected = stats.spearmanr(scores, pd.concat(labels)["mos"]).statistic
    assert found["parts"]["srcc"] == pytest.approx(expected)
    assert found["parts"]["contents"] == 40 and found["parts"]["srcc_low"] < expected
    # the seconds vary by chance here: they know no more than the video's mean
    assert found["against_repeated"]["srcc"]["low"] < 0 < found["against_repeated"]["srcc"]["high"]
    assert abs(found["within"]["srcc"]) < 0.25 and found["within"]["videos"] == 40


def test_the_mean_srcc_within_videos_by_hand() -> None:
    scores = [*(1, 2, 3), *(3, 1, 2), *(5, 5, 5), *(1, 2), *(1, 2, 3), *(1, 2, np.nan)]
    labels = [*(10, 20, 30), *(10, 20, 30), *(1, 2, 3), *(1, 2), *(7, 7, 7), *(1, 2, 3)]
    videos = [*"aaabbbccc", *"dd", *"eeefff"]  # d is too short, e has one label, f lost a part
    found = within(np.array(scores, float), np.array(labels, float), videos, 100, 0)
    assert (found["videos"], found["flat"]) == (3, 1)
    assert found["srcc"] == pytest.approx((1 - 0.5 + 0) / 3)
    assert np.isnan(found["srcc_low"]) and "fewer than 5" in found["reason"]


def test_the_interval_within_videos_draws_videos() -> None:
    # every order of three parts once: mean 0, deviation of one SRCC sqrt(0.5)
    scores = np.concatenate([np.array(p, float) for p in permutations(range(3))] * 20)
    labels, videos = np.tile([1.0, 2.0, 3.0], 120), [f"v{i // 3}" for i in range(360)]
    found = within(scores, labels, videos, 2000, 0)
    assert found["srcc"] == pytest.approx(0)
    half = 1.96 * np.sqrt(0.5 / 120)
    assert found["srcc_high"] == pytest.approx(half, rel=0.15)
    assert found["srcc_low"] == pytest.approx(-half, rel=0.15)


def test_without_parts_or_with_few_there_is_a_reason_and_no_number() -> None:
    seconds = timeline("a", [1, 2])
    assert judge(seconds, parts("b", (0, 1, 3)), 100, 0) == {}
    found = judge(seconds, parts("a", (0, 1, 3)), 100, 0)
    assert np.isnan(found["parts"]["srcc"]) and "1 rows" in found["parts"]["reason"]
    assert "no video has 3 parts" in found["within"]["reason"]
    nothing = judge(seconds, parts("a", (7, 8, 3)), 100, 0)
    assert nothing["parts"]["missing"] == 1 and np.isnan(nothing["overlap_mean"])
