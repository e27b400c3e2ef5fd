from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from llm_head.ask import ask
from llm_head.checkpoint import Head
from llm_head.data import choose
from llm_head.likelihood import likelihoods
from llm_head.video_questions import (
    COLUMNS,
    Question,
    QuestionError,
    answer,
    is_right,
    listed,
    metrics,
    normalised,
)
from pipeline import cache
from pipeline.cache import Kind, TokenCache
from tests.llm_head.test_readout import SHAPE, make_model
from tests.synthetic import FINGERPRINT

CUES = {"v0": ""}


def make(**changed: object) -> Question:
    fields = {"id": "1", "video": "v", "text": "Which?", "answer": "one", "kind": "k"}
    return Question(**(fields | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The dog.", "dog"),
        ("TWO dogs, a cat!", "2 dogs cat"),
        ("don't", "dont"),
        ("red/green", "red green"),
        (" none ", "0"),
        ("10", "10"),
        ("Theatre", "theatre"),
    ],
)
def test_open_answers_are_compared_without_case_articles_and_points(text: str, wanted: str) -> None:
    assert normalised(text) == wanted


def test_choices_are_compared_as_they_are_and_open_answers_normalised() -> None:
    assert is_right(make(), "One.") and is_right(make(answer="the 1"), "one")
    assert not is_right(make(), "two")
    assert not is_right(make(choices=("one", "One.")), "One.")


def test_where_authors_count_the_same_text_nothing_else_is_right() -> None:
    assert is_right(make(same="exact"), "one")
    assert not is_right(make(same="exact"), "One") and not is_right(make(same="exact"), "1")


def test_a_question_that_cannot_be_right_is_refused() -> None:
    with pytest.raises(QuestionError, match="'one' is none of"):
        make(choices=("two", "three"))
    with pytest.raises(QuestionError, match="empty"):
        make(text=" ")
    with pytest.raises(QuestionError, match="at most 26"):
        make(choices=tuple(["one", *map(str, range(26))]))


def table(right: list[bool], contents: list[str], choices: int = 4) -> pd.DataFrame:
    rows = pd.DataFrame({"right": right, "content": contents, "choices": choices})
    return rows.assign(
        video_id=contents,
        kind=["a", "b"] * (len(right) // 2),
        group=["", "free"] * (len(right) // 2),
        answer="x",
        predicted="x",
    )


def test_accuracy_comes_with_what_it_is_to_be_compared_with() -> None:
    right = [True, False, True, True] * 5
    found = metrics(table(right, [f"c{i // 2}" for i in range(20)]), 200, seed=0)
    assert list(found) == ["all", "group free", "kind a", "kind b"]
    assert found["group free"] == found["kind b"]
    assert found["all"]["accuracy"] == 0.75 and found["all"]["n"] == 20
    assert found["kind a"]["accuracy"] == 1 and found["kind b"]["accuracy"] == 0.5
    assert found["all"]["chance"] == 0.25 and found["all"]["most_common"] == 1
    low, high = found["all"]["interval"]
    assert 0.5 < low < 0.75 < high < 1
    assert found["kind a"]["interval"] == [1, 1]


def test_few_contents_have_no_interval_and_open_questions_no_chance() -> None:
    found = metrics(table([True, False], ["a", "b"], choices=0), 200, seed=0)
    assert found["all"]["interval"] == [None, None]
    assert found["all"]["chance"] is None and found["all"]["exact"] == 1
    rows = table([True, False], ["a", "b"], choices=0).assign(predicted=["x", "The X."])
    found = metrics(rows, 200, seed=0)
    assert found["all"]["exact"] == 0.5 and found["all"]["normalised"] == 1


def caches_of(folder: Path) -> dict[Kind, TokenCache]:
    """Return the caches of one video of two seconds, v0, of the shape that the head reads."""
    sizes: dict[Kind, tuple[int, ...]] = {
        "spatial": (2, *SHAPE.spatial),
        "temporal": (2, SHAPE.temporal),
    }
    for kind, size in sizes.items():
        array = np.random.default_rng(0).normal(size=size).astype(np.float16)
        path = cache.token_file(folder / kind, "v0")
        cache.write_tokens(path, cache.Tokens(array, np.arange(2.0)), FINGERPRINT, "0" * 64)
        cache.write_index(folder / kind, FINGERPRINT, {"v0": "0" * 64})
    return {kind: TokenCache(folder / kind) for kind in sizes}


@pytest.fixture
def head(tmp_path: Path) -> Head:
    model, chat = make_model(tmp_path)
    return Head(model, chat, SHAPE, 12.0, ())


def test_the_likeliest_choice_is_the_answer_and_an_open_one_is_written(
    tmp_path: Path, head: Head
) -> None:
    caches = caches_of(tmp_path)
    choices = ("It is good.", "It is poor.", "one")
    asked = [
        make(id="letter", choices=choices),
        make(id="open"),
        make(id="part", choices=choices, span_s=(1.2, 1.9)),
    ]
    videos = {question.id: "v0" for question in asked}
    by_letter = list(answer(head, asked, videos, caches, CUES, "letter", 5))
    by_text = list(answer(head, asked, videos, caches, CUES, "text", 5))
    assert all(set(row) == set(COLUMNS) for row in by_letter)
    whole = {kind: found.read("v0").tokens for kind, found in caches.items()}
    tokens = choose(whole, SHAPE, "v0")
    expected = likelihoods(head, tokens, listed(asked[0]), "ABC")
    assert by_letter[0]["predicted"] == choices[int(np.argmax(expected))]
    expected = likelihoods(head, tokens, "Which?", choices)
    assert by_text[0]["log_p"] == " ".join(f"{value:.4f}" for value in expected)
    assert by_letter[1]["predicted"] == ask(head, tokens, "Which?", 5)
    second = choose({kind: part[1:] for kind, part in whole.items()}, SHAPE, "v0")
    expected = likelihoods(head, second, "Which?", choices)
    assert by_text[2]["log_p"] == " ".join(f"{value:.4f}" for value in expected)


def test_what_cannot_be_asked_says_why_and_the_others_go_on(tmp_path: Path, head: Head) -> None:
    caches = caches_of(tmp_path)
    asked = [
        make(id="part", span_s=(7.0, 9.0)),
        make(id="mark", text="What is in <video>?"),
        make(id="fine"),
    ]
    videos = dict.fromkeys(("part", "mark", "fine"), "v0")
    part, mark, fine = answer(head, asked, videos, caches, CUES, "text", 5)
    assert "7.0 to 9.0 s is no part of v0" in part["error"]
    assert "<video>" in mark["error"]
    assert (part["right"], part["predicted"], fine["error"]) == (False, "", "")
