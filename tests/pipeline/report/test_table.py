from typing import Any

from pipeline.report.table import against_words, fold_lines, label_words, table

ROW: dict[str, Any] = {
    **{"n": 50, "missing": 0, "contents": 10, "srcc": 0.71, "srcc_low": 0.6, "srcc_high": 0.8},
    **{"plcc": 0.7, "krcc": 0.5, "rmse": 12.345, "plcc_logistic": 0.72, "rmse_logistic": 11.0},
}
FAILED = {
    **ROW,
    **{"n": 4, "missing": 46, "srcc": None, "srcc_low": None, "srcc_high": None, "plcc": None},
    **{"krcc": None, "plcc_logistic": None, "rmse_logistic": None, "reason": "4 rows"},
}
ANSWER = {
    **{"n": 50, "missing": 1, "classes": 5, "majority": 0.3, "accuracy": 0.6},
    **{"accuracy_low": 0.5, "accuracy_high": 0.7, "balanced_accuracy": 0.55},
    **{"balanced_accuracy_low": None, "balanced_accuracy_high": None},
}


def metrics(random: list[str]) -> dict[str, Any]:
    test = {"lmm_vqa": ROW, "lmm_vqa_generated": FAILED, "level": ANSWER}
    return {"datasets": {"demo": {"mos_source": "vmaf", "test": test}}, "random_encoders": random}


def test_table() -> None:
    assert table(metrics([])).splitlines() == [
        "data set  split  predictor                  n               SRCC [95 % CI]        "
        "PLCC           KRCC   RMSE",
        "--------  -----  -------------------------  --------------  --------------------  "
        "-------------  -----  -------------",
        "demo      test   LMM-VQA                    50              0.710 [0.600, 0.800]  "
        "0.700 (0.720)  0.500  12.35 (11.00)",
        "demo      test   LMM-VQA, generated number  4 (46 missing)  -                     "
        "- (-)          -      12.35 (-)",
        "PLCC and RMSE: raw, and in brackets after the four-parameter logistic fit.",
        "demo, test: level accuracy 0.600 [0.500, 0.700], balanced 0.550 (chance 0.200), "
        "commonest answer 0.300, n = 50, 1 not answered",
        "demo, test: 4 rows (LMM-VQA, generated number)",
        "demo: labels are VMAF, not human ratings",
    ]


def test_timelines_in_words() -> None:
    timeline = {
        **{"parts": {**ROW, "missing": 2}, "repeated": {**ROW, "srcc": 0.69}},
        "against_repeated": {"srcc": {"difference": 0.02, "low": -0.01, "high": 0.05}},
        "within": {"srcc": 0.31, "srcc_low": 0.2, "srcc_high": 0.4, "videos": 9, "flat": 1},
        **{"overlap_mean": 0.988, "overlap_min": 0.75},
    }
    found = metrics([])
    found["datasets"]["demo"]["timeline"] = timeline
    assert table(found).splitlines()[-3] == (
        "demo, timelines of test videos: SRCC 0.710 [0.600, 0.800] over 50 rated parts of 10 "
        "videos (2 more are covered too little); the mean of a video's timeline, repeated for "
        "its parts, reaches 0.690 (SRCC +0.020 [-0.010, +0.050] on the same videos, no sure "
        "difference); between the parts of one video 0.310 [0.200, 0.400] on average over 9 "
        "videos, 1 of them flat and counted as 0. The score of a part is the mean of the "
        "seconds that it overlaps; they cover 99 % of a part on average, 75 % at least"
    )


def test_random_weights_come_first() -> None:
    first = table(metrics(["spatial", "temporal"])).splitlines()[0]
    assert first.startswith("WARNING: random weights in the spatial and the temporal encoder")


def test_label_words() -> None:
    assert label_words("human, not stated, vmaf") == (
        "human ratings; of a source not stated; VMAF, not human ratings"
    )
    assert label_words("crowd 2025") == "crowd 2025"


def test_a_difference_in_words() -> None:
    found = {"difference": 0.04, "low": 0.01, "high": 0.07}
    assert against_words({"srcc": found}) == (
        "SRCC +0.040 [+0.010, +0.070] on the same videos, better"
    )
    assert against_words({"srcc": {**found, "low": -0.01}}).endswith("no sure difference")
    assert against_words({"srcc": {**found, "high": -0.001, "low": -0.1}}).endswith("worse")
    assert against_words({"reason": "4 rows; a comparison needs 5"}).startswith("4 rows")
    few = {"srcc": {**found, "low": None, "high": None}, "reason": "no intervals: too few"}
    assert against_words(few) == "SRCC differs by +0.040; no intervals: too few"


def test_parts_of_the_protocol_are_lines() -> None:
    median = {"lmm_vqa": {"srcc": 0.9, "plcc_logistic": None}}
    parts = {str(n): {"lmm_vqa": {"srcc": 0.8 + n / 20}} for n in (1, 2, 3)}
    folds = {"konvid_1k": {"scheme": "splits", "median": median, "parts": parts}}
    assert fold_lines(folds) == (
        "konvid_1k, median of 3 splits: LMM-VQA SRCC 0.900 (0.850 to 0.950), PLCC - after the fit\n"
    )
    parts["2"]["lmm_vqa"]["srcc"] = None  # type: ignore[assignment]
    assert "SRCC 0.900, PLCC" in fold_lines(folds)
    assert fold_lines({}) == ""
