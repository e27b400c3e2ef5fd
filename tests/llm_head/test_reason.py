from dataclasses import replace

from llm_head.readout import Answer
from llm_head.reason import reason
from llm_head.timeline import Second

ANSWER = Answer(
    score=62.0,
    score_std=9.0,
    level="good",
    level_probs=(0.0, 0.1, 0.3, 0.5, 0.1),
    score_generated=61.0,
    score_digits=60.0,
    score_digits_std=8.0,
    impairment="blur",
    impairment_prob=0.83,
    severity="strong",
    severity_prob=0.55,
    motion="smooth",
    motion_prob=0.6,
)


def test_a_reason_is_what_the_model_has_answered() -> None:
    assert reason(ANSWER) == (
        "Clearly impaired by blur (83%), probably strong (55%), motion probably smooth (60%)."
    )
    unimpaired = {"impairment": "none", "severity": None, "severity_prob": None}
    other = replace(ANSWER, **unimpaired, impairment_prob=0.3, motion="frozen")
    assert reason(other) == "Perhaps no impairment (30%), motion probably frozen (60%)."


def test_nothing_is_said_that_was_not_taught() -> None:
    unknown = dict.fromkeys(("impairment", "impairment_prob", "severity", "severity_prob"))
    of_motion = replace(ANSWER, **unknown)
    assert reason(of_motion) == "Motion probably smooth (60%)."
    nothing = replace(of_motion, motion=None, motion_prob=None)
    assert reason(nothing) == ""
    seconds = [Second(float(i), s, 5.0, "good") for i, s in enumerate((70, 30, 71))]
    assert reason(nothing, seconds, range(1, 2), nothing) == (
        "Worst from 0:01 to 0:02, at 30 where the median of the other seconds is 70."
    )


def test_a_reason_says_where_and_what_is_there() -> None:
    seconds = [Second(float(i), s, 5.0, "good") for i, s in enumerate((70, 72, 30, 33, 71))]
    there = replace(ANSWER, impairment="freeze", motion="frozen", motion_prob=0.9)
    assert reason(ANSWER, seconds, range(2, 4), there).endswith(
        "Worst from 0:02 to 0:04, at 30 where the median of the other seconds is 71; there clearly "
        "impaired by freezing (83%), probably strong (55%), motion clearly frozen (90%)."
    )
    assert reason(ANSWER, seconds[:2]).endswith("No second stands out: they score 70 to 72.")
