import numpy as np
import pytest

from llm_head import questions


@pytest.mark.parametrize("task", questions.TASKS)
def test_every_task_has_twenty_different_wordings(task: questions.Task) -> None:
    wordings = questions.QUESTIONS[task]
    assert len(set(wordings)) == len(wordings) >= 20
    assert questions.canonical(task) == wordings[0]


def test_no_wording_belongs_to_two_tasks() -> None:
    wordings = [text for texts in questions.QUESTIONS.values() for text in texts]
    assert len(set(wordings)) == len(wordings)


def test_every_mos_comes_back_within_half_a_decimal() -> None:
    for mos in [*np.linspace(0, 100, 2001), 0.04, 9.96, 99.96, 5.0]:
        assert abs(questions.parse_score(questions.score_answer(mos)) - mos) <= 0.0500001


@pytest.mark.parametrize(
    "answer", ["good", "The score is 3 of 5.", "The score is 101.0.", "The score is .", "60"]
)
def test_an_answer_without_a_score_is_refused(answer: str) -> None:
    with pytest.raises(ValueError, match="no score"):
        questions.parse_score(answer)


def test_answers_of_unknown_names_are_refused() -> None:
    for make in (questions.level_answer, questions.compare_answer):
        with pytest.raises(ValueError, match="'strange'"):
            make("strange")
    for task in questions.CLOSED:
        with pytest.raises(ValueError, match=f"{task} 'strange' is none of"):
            questions.closed_answer(task, "strange")
    with pytest.raises(ValueError, match=r"0\.\.100"):
        questions.score_answer(100.2)


def test_answers_to_one_task_differ() -> None:
    counts = {"score": 9, "level": 5, "impairment": 7, "severity": 3, "motion": 2, "compare": 2}
    for task in questions.TASKS:
        assert len(set(questions.answers(task))) == counts[task]
