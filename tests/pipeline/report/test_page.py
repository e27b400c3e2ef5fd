from typing import Any

import pytest

from pipeline.report.page import verdict


def row(low: float | None, value: float | None, high: float | None, n: int = 50) -> dict[str, Any]:
    return {"n": n, "contents": 10, "srcc": value, "srcc_low": low, "srcc_high": high}


def metrics(ours: dict[str, Any], **others: dict[str, Any]) -> dict[str, Any]:
    return {"mos_source": "vmaf", "test": {"lmm_vqa": ours, **others}}


def test_verdict_in_words() -> None:
    found = verdict("demo", metrics(row(0.6, 0.7, 0.8), ridge=row(0.5, 0.6, 0.7)), seen=0)
    assert found == (
        "demo: SRCC 0.700 [0.600, 0.800] on 50 videos of 10 scenes that it was not trained on, "
        "against VMAF, not human ratings. The baseline, ridge on the same tokens, reaches "
        "0.600 [0.500, 0.700]; the intervals overlap, so neither is shown to be better."
    )


@pytest.mark.parametrize(
    ("ours", "words"),
    [
        (row(0.8, 0.85, 0.9), "does better"),
        (row(0.1, 0.2, 0.3), "does worse"),
        (row(0.6, 0.7, 0.8), "overlap"),
        (row(None, 0.7, None), "too few scenes"),
    ],
)
def test_only_intervals_that_do_not_meet_decide(ours: dict[str, Any], words: str) -> None:
    found = verdict("demo", metrics(ours, ridge=row(0, 0.1, 0.2), svr=row(0.5, 0.6, 0.7)), 0)
    assert words in found and "The better baseline, SVR" in found


def test_where_the_videos_come_from() -> None:
    ours = row(0.6, 0.7, 0.8)
    assert "of which 3 scenes are in its training set too" in verdict("demo", metrics(ours), 3)
    assert "of a data set that it was not trained on" in verdict("wild", metrics(ours), None)


def test_without_a_correlation() -> None:
    assert "no correlation" in verdict("demo", {"mos_source": "vmaf"}, 0)
    assert "no correlation" in verdict("demo", metrics(row(None, None, None, 3)), 0)
