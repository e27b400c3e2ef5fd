"""Published files of questions about videos, each format in a module of its own.

`answer.questions.NAME.format` in params.yaml names the module. A format has `read(path)`, which
returns `llm_head.video_questions.Question`s in the file's order, made by `each`. Facts about
formats come from the places that each module names; no file of the benchmarks themselves is part of
this project.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
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
    make: Callable[[int, dict[str, Any]], Question],
) -> list[Question]:
    """Return the question of each entry of a file; `make` is given its number, from 0, too.

    Raises:
        QuestionError: naming file and entry, from 1, if one is not as the format has it.
    """
    questions = []
    for number, entry in enumerate(found):
        where = f"{path} entry {number + 1}"
        try:
            questions.append(make(number, entry))
        except QuestionError as error:
            raise QuestionError(f"{where}: {error}") from error
        except KeyError as error:
            raise QuestionError(f"{where}: has no {error}; it has {sorted(entry)[:12]}") from error
        except (TypeError, ValueError, IndexError, AttributeError) as error:
            raise QuestionError(f"{where}: {error!r}, in {entry!r:.200}") from error
    return questions


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

    A video is found by its path or, if only one has that name, by its name; suffixes do not count.
    The function raises QuestionError where a name is that of several videos.
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
            if len(ids) > 1:
                raise QuestionError(
                    f"{called!r} is the name of {len(ids)} videos, such as "
                    f"{sorted(ids)[:_SHOWN]}; call it by its path"
                )
            if ids:
                return next(iter(ids))
        return None

    return find


def matched(questions: Sequence[Question], video_ids: Iterable[str]) -> dict[str, str]:
    """Return the video of each question, by the question's id; those without one are left out.

    Raises:
        QuestionError: as the function of `finder`.
    """
    find = finder(video_ids)
    found = {question.id: find(question.video) for question in questions}
    return {name: video_id for name, video_id in found.items() if video_id is not None}
