"""Published files of questions about videos, each format in a module of its own.

`answer.questions.NAME.format` in params.yaml names the module. A format has `read(path)`, which
returns `llm_head.video_questions.Question`s in the file's order, made by `each`. Facts about
formats come from the places that each module names; no file of the benchmarks themselves is part of
this project.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib import import_module
from itertools import takewhile
from pathlib import Path, PurePosixPath
from pkgutil import iter_modules
from typing import Any

from llm_head.video_questions import Question, QuestionError

_SHOWN = 5


def formats() -> list[str]:
    """Return the names of the formats that are known."""
    return sorted(module.name for module in iter_modules(__path__))


def read(path: Path, name: str) -> list[Question]:
    """Read the questions of a file, or of a folder where a benchmark has several.

    Raises:
        QuestionError: if there is no such format or file, or a question is not as it should be.
    """
    if name not in formats():
        raise QuestionError(f"no format {name!r} in pipeline/questions; there are {formats()}")
    if not path.exists():
        raise QuestionError(f"{path}: no such file; set answer.questions in params.yaml")
    found: list[Question] = import_module(f"{__name__}.{name}").read(path)
    if not found:
        raise QuestionError(f"{path}: no question in it")
    ids = Counter(question.id for question in found)
    if twice := [name for name, count in ids.items() if count > 1]:
        raise QuestionError(f"{path}: {len(twice)} ids come more than once, such as {twice[0]!r}")
    return found


def each(
    path: Path,
    found: Iterable[dict[str, Any]],
    make: Callable[[int, dict[str, Any]], Question | None],
) -> list[Question]:
    """Return the question of each entry of a file; `make` is given its number, from 0, too.

    Entries that it makes None of are left out.

    Raises:
        QuestionError: naming file and entry, from 1, if one is not as the format has it.
    """
    questions = []
    for number, entry in enumerate(found):
        where = f"{path} entry {number + 1}"
        try:
            question = make(number, entry)
        except QuestionError as error:
            raise QuestionError(f"{where}: {error}") from error
        except KeyError as error:
            raise QuestionError(f"{where}: has no {error}; it has {sorted(entry)[:12]}") from error
        except (TypeError, ValueError, IndexError, AttributeError) as error:
            raise QuestionError(f"{where}: {error!r}, in {entry!r:.200}") from error
        if question is not None:
            questions.append(question)
    return questions


def joined(
    path: Path, make: Callable[[dict[str, Any], dict[str, Any]], Question]
) -> list[Question]:
    """Return the question of each entry of a file such as test_q.json, with test_a.json beside it.

    Both have `question_id`; `make` is given an entry and that of its answer.

    Raises:
        QuestionError: as `each`, and if a question has no answer.
    """
    theirs = path.with_name(f"{path.stem[:-1]}a.json")
    answers = {str(entry.get("question_id")): entry for entry in entries(theirs)}

    def both(number: int, entry: dict[str, Any]) -> Question:
        name = str(entry["question_id"])
        if name not in answers:
            raise QuestionError(f"question {name} has no answer in {theirs}")
        return make(entry, answers[name])

    return each(path, entries(path), both)


def entries(path: Path) -> list[dict[str, Any]]:
    """Return a JSON file's list of objects.

    Raises:
        QuestionError: if it holds anything else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise QuestionError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise QuestionError(f"{path}: wanted a list of objects, found {type(found).__name__}")
    return found


def finder(video_ids: Iterable[str]) -> Callable[[str], str | None]:
    """Return a function from what a file calls a video to its id; None: there is none.

    A video is found by its path or by its name; suffixes do not count. Of several videos of one
    name, it is the one whose last folders are the most like those it is called by; the function
    raises QuestionError where two are alike.
    """
    by_name: dict[str, set[str]] = defaultdict(set)
    for video_id in video_ids:
        for name in {video_id, PurePosixPath(video_id).name}:
            by_name[name].add(video_id)

    def find(called: str) -> str | None:
        path = PurePosixPath(called)
        for name in (called, str(path.with_suffix("")) if path.name else "", path.name, path.stem):
            ids = by_name.get(name, set())
            if name in ids:
                return name
            if ids:
                return _nearest(called, ids)
        return None

    return find


def _nearest(called: str, ids: set[str]) -> str:
    folders = PurePosixPath(called).parent.parts

    def alike(video_id: str) -> int:
        theirs = PurePosixPath(video_id).parent.parts
        pairs = zip(reversed(folders), reversed(theirs), strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    most = max(map(alike, ids))
    nearest = sorted(video_id for video_id in ids if alike(video_id) == most)
    if len(nearest) > 1:
        raise QuestionError(
            f"{called!r} is the name of {len(nearest)} videos, such as {nearest[:_SHOWN]}; "
            "call it by its path"
        )
    return nearest[0]


def matched(questions: Sequence[Question], video_ids: Iterable[str]) -> dict[str, str]:
    """Return the video of each question, by the question's id; those without one are left out.

    Raises:
        QuestionError: as the function of `finder`.
    """
    find = finder(video_ids)
    found = {question.id: _first(find, (question.video, *question.also)) for question in questions}
    return {name: video_id for name, video_id in found.items() if video_id is not None}


def cut(questions: Sequence[Question], video_ids: Iterable[str]) -> list[Question]:
    """Return the questions; those about a part ask about the clip that is the part, if it is there.

    Raises:
        QuestionError: as the function of `finder`.
    """
    find = finder(video_ids)
    clips = [_first(find, question.clips) for question in questions]
    return [
        question if clip is None else replace(question, video=clip, also=(), clips=(), span_s=None)
        for question, clip in zip(questions, clips, strict=True)
    ]


def _first(find: Callable[[str], str | None], names: Sequence[str]) -> str | None:
    return next((found for name in names if (found := find(name)) is not None), None)
