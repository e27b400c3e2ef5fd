from typing import Any

import pytest

from pipeline.report.page import tiles, verdict


def row(low: float | None, value: float | None, high: float | None, n: int = 50) -> dict[str, Any]:
    return {"n": n, "contents": 10, "srcc": value, "srcc_low": low, "srcc_high": high}


def against(difference: float, low: float | None, high: float | None) -> dict[str, Any]:
    found = {"difference": difference, "low": low, "high": high}
    return {"srcc": found, "reason": "no intervals: too few contents"}


def metrics(ours: dict[str, Any], **others: dict[str, Any]) -> dict[str, Any]:
    paired = {name: against(0.1, -0.05, 0.2) for name in others}
    return {"mos_source": "vmaf", "test": {"lmm_vqa": ours, "against": paired, **others}}


def test_verdict_in_words() -> None:
    found = verdict("demo", metrics(row(0.6, 0.7, 0.8), ridge=row(0.5, 0.6, 0.7)), seen=0)
    assert found == (
        "demo: SRCC 0.700 [0.600, 0.800] on 50 videos of 10 scenes that it was not trained on, "
        "against VMAF, not human ratings. The baseline, ridge on the same tokens, reaches "
        "0.600 [0.500, 0.700]; LMM-VQA against it: SRCC +0.100 [-0.050, +0.200] on the same "
        "videos, no sure difference."
    )


@pytest.mark.parametrize(
    ("paired", "words"),
    [
        (against(0.2, 0.1, 0.3), "better"),
        (against(-0.2, -0.3, -0.1), "worse"),
        (against(0.2, -0.1, 0.3), "no sure difference"),
        (against(0.2, None, None), "too few contents"),
    ],
)
def test_the_best_baseline_and_the_paired_interval_decide(
    paired: dict[str, Any], words: str
) -> None:
    both = {"ridge": row(0, 0.1, 0.2), "svr": row(0.5, 0.6, 0.7)}
    found = metrics(row(0.6, 0.7, 0.8), **both)
    found["test"]["against"]["svr"] = paired
    text = verdict("demo", found, 0)
    assert "The best baseline, SVR" in text and text.endswith(f"{words}.")


def test_headline_numbers_in_words() -> None:
    ours = {
        **row(0.6, 0.7, 0.8),
        **{"krcc": 0.5, "krcc_low": 0.4, "krcc_high": 0.62, "rmse": 12.4},
    }
    named = {"accuracy": 0.6, "accuracy_low": 0.5, "accuracy_high": 0.7, "majority": 0.3}
    found = tiles({"lmm_vqa": ours, "impairment": named})
    assert [tile.value for tile in found] == ["0.70", "75 %", "±12", "60 %"]
    assert found[0].words == "SRCC, 95 % interval 0.60 to 0.80; 1 is perfect"
    assert found[1].words == (
        "of pairs of videos in the right order, 95 % interval 70 to 81 %; chance: 50 %"
    )
    assert "always the commonest: 30 %" in found[3].words


def test_headline_numbers_without_intervals_and_without_numbers() -> None:
    few = {**row(None, 0.7, None), "krcc": 0.5, "krcc_low": None, "krcc_high": None, "rmse": 12.4}
    assert not any("interval" in tile.words for tile in tiles({"lmm_vqa": few}))
    assert tiles({}) == [] and tiles({"lmm_vqa": row(None, None, None)}) == []


def test_where_the_videos_come_from() -> None:
    ours = row(0.6, 0.7, 0.8)
    assert "of which 3 scenes are in its training set too" in verdict("demo", metrics(ours), 3)
    assert "of a data set that it was not trained on" in verdict("wild", metrics(ours), None)


def test_without_a_correlation() -> None:
    assert "no correlation" in verdict("demo", {"mos_source": "vmaf"}, 0)
    assert "no correlation" in verdict("demo", metrics(row(None, None, None, 3)), 0)
