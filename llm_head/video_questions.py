"""Video question answering: questions with a known answer, what a head answers, how often rightly.

Video question answering has nothing to do with VQA, which is video quality assessment here.
"""

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from llm_head.ask import AskError, ask
from llm_head.bootstrap import content_codes, interval, resample_counts
from llm_head.checkpoint import Head
from llm_head.data import Caches, choose
from llm_head.likelihood import likelihoods
from llm_head.prompts import PromptError
from pipeline.cache import Kind

ChooseBy = Literal["letter", "text"]
Same = Literal["exact", "normalised"]
LETTERS = string.ascii_uppercase
COLUMNS = ["id", "video_id", "kind", "group", "question", "answer", "predicted", "right", "choices"]
COLUMNS += ["log_p", "error"]
_ARTICLES = {"a", "an", "the"}
_DIGITS = {"none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5"}
_DIGITS |= {"six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10"}


class QuestionError(ValueError):
    """A question that cannot be asked, or videos that it cannot be asked about."""


@dataclass(frozen=True)
class Question:
    """One question about one video.

    Attributes:
        id: unique in its file.
        video: as the file calls it: a path or a name, with or without a suffix.
        text: the question.
        answer: the true one; one of the choices if there are any.
        kind: of question, as the benchmark groups them.
        choices: to choose from; empty: an open question.
        span_s: the part of the video that is asked about, from and to in seconds; None: all of it.
        group: of several kinds, where the benchmark's authors report such; "": of none.
        same: when an open answer is the true one: if it is the same text, or the same after
            `normalised`; what the benchmark's authors count.
        also: other names of the video that are in use.
        clips: names of files that hold `span_s` of the video and nothing else.
    """

    id: str
    video: str
    text: str
    answer: str
    kind: str
    choices: tuple[str, ...] = ()
    span_s: tuple[float, float] | None = None
    group: str = ""
    same: Same = "normalised"
    also: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.choices and self.answer not in self.choices:
            raise QuestionError(f"{self.id}: answer {self.answer!r} is none of {self.choices}")
        if len(self.choices) > len(LETTERS):
            raise QuestionError(f"{self.id}: {len(self.choices)} choices; at most {len(LETTERS)}")
        if not self.text.strip() or not self.answer.strip():
            raise QuestionError(f"{self.id}: question or answer is empty")


def answer(
    head: Head,
    questions: Sequence[Question],
    videos: Mapping[str, str],
    caches: Caches,
    cues: Mapping[str, str],
    choose_by: ChooseBy,
    most_tokens: int,
) -> Iterator[dict[str, Any]]:
    """Yield a row of COLUMNS per question; the same question always gets the same answer.

    A choice is the likeliest one, found in one forward pass; an open answer is written greedily. A
    question that cannot be asked has the reason in `error`, and counts neither as right nor wrong.

    Args:
        videos: by question's id, the video's id in the caches.
        cues: by video's id, see `llm_head.cue`.
        choose_by: letter: all choices stand in the question, and the letters' likelihood decides,
            as benchmarks of large models do; text: that of each choice as the answer to the bare
            question, for a head that has not learned to name letters.
        most_tokens: of an open answer.
    """
    for asked in questions:
        video_id = videos[asked.id]
        log_p: tuple[float, ...] = ()
        predicted, failed = "", ""
        try:
            tokens = _tokens(head, caches, video_id, cues[video_id], asked)
            if not asked.choices:
                predicted = ask(head, tokens, asked.text, most_tokens)
            else:
                by_letter = choose_by == "letter"
                named = LETTERS[: len(asked.choices)] if by_letter else asked.choices
                text = listed(asked) if by_letter else asked.text
                log_p = likelihoods(head, tokens, text, list(named))
                predicted = asked.choices[int(np.argmax(log_p))]
        except (QuestionError, AskError, PromptError) as error:
            failed = str(error)
        yield {
            "id": asked.id,
            "video_id": video_id,
            "kind": asked.kind,
            "group": asked.group,
            "question": asked.text,
            "answer": asked.answer,
            "predicted": predicted,
            "right": not failed and is_right(asked, predicted),
            "choices": len(asked.choices),
            "log_p": " ".join(f"{value:.4f}" for value in log_p),
            "error": failed,
        }


def listed(question: Question) -> str:
    """Return a question with its choices and letters.

    >>> print(listed(Question("1", "v", "Which?", "one", "", ("one", "two"))))
    Which?
    (A) one
    (B) two
    Answer with the letter.
    """
    lines = [f"({letter}) {text}" for letter, text in zip(LETTERS, question.choices, strict=False)]
    return "\n".join([question.text, *lines, "Answer with the letter."])


def is_right(question: Question, predicted: str) -> bool:
    """Return whether an answer is the true one, by `Question.same` if it is open."""
    if question.choices or question.same == "exact":
        return predicted == question.answer
    return normalised(predicted) == normalised(question.answer)


def normalised(text: str) -> str:
    """Return an open answer without what the evaluation of such answers leaves out.

    Source: VQA v2's evaluation (Antol et al., arXiv:1505.00468), which later benchmarks took over:
    lower case, no punctuation, no articles, numbers up to ten as digits. Differs: apostrophes are
    dropped where VQA v2 has a list of contractions.

    >>> normalised("The two dogs.")
    '2 dogs'
    """
    kept = "".join(
        "" if c == "'" else " " if c in string.punctuation else c for c in text.casefold()
    )
    words = [_DIGITS.get(word, word) for word in kept.split() if word not in _ARTICLES]
    return " ".join(words)


def metrics(rows: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    """Return accuracy over all, per group and per kind, each with what it is to be compared with.

    Args:
        rows: of `answer`, at least one, none failed, with a column content: what intervals are
            drawn by.

    Returns:
        per kind and group, and as `all`: n, accuracy, its 95 % interval (whole contents drawn; null
        with fewer than five), chance (the mean of 1 / choices; null with open questions),
        most_common (accuracy of always giving the commonest answer of each kind) and, of open
        questions, exact and normalised: the accuracies by each way of comparing answers.
    """
    found = {"all": _metrics(rows, resamples, seed)}
    groups = {str(group): part for group, part in rows.groupby("group") if group}
    found |= {f"group {name}": _metrics(part, resamples, seed) for name, part in groups.items()}
    kinds = {str(kind): part for kind, part in rows.groupby("kind")}
    found |= {f"kind {name}": _metrics(part, resamples, seed) for name, part in kinds.items()}
    return found


def _metrics(rows: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    right = rows["right"].to_numpy(float)
    counts = resample_counts(content_codes(list(rows["content"]), len(rows)), resamples, seed)
    low, high = (None, None) if counts is None else interval(counts @ right / counts.sum(axis=1))
    commonest = rows.groupby("kind")["answer"].agg(lambda answers: answers.mode()[0])
    found: dict[str, Any] = {
        "n": len(rows),
        "videos": int(rows["video_id"].nunique()),
        "accuracy": float(right.mean()),
        "interval": [low, high],
        "chance": None,
        "most_common": float((rows["answer"] == rows["kind"].map(commonest)).mean()),
    }
    if (rows["choices"] > 0).all():
        found["chance"] = float((1 / rows["choices"]).mean())
    elif (rows["choices"] == 0).all():
        found["exact"] = float((rows["answer"] == rows["predicted"]).mean())
        same = rows["answer"].map(normalised) == rows["predicted"].map(normalised)
        found["normalised"] = float(same.mean())
    return found


def _tokens(head: Head, caches: Caches, video_id: str, cue: str, question: Question) -> Any:
    arrays: dict[Kind, Any] = {}
    for kind, cache in caches.items():
        found = cache.read(video_id)
        tokens = found.tokens
        if question.span_s is not None:
            begin, end = question.span_s
            inside = (found.pts_s >= np.floor(begin)) & (found.pts_s < end)
            if not inside.any():
                raise QuestionError(
                    f"{question.id}: {begin} to {end} s is no part of {video_id}, which has "
                    f"seconds up to {found.pts_s[-1]:.0f}"
                )
            tokens = tokens[inside]
        arrays[kind] = tokens
    return choose(arrays, head.shape, video_id, cue)
