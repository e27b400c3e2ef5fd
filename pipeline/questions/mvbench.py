"""MVBench: a JSON file per task, each a list of `video`, `question`, `candidates`, `answer`.

Some tasks are about a part of their video and add `start` and `end` in seconds. A kind of question
is a task, which is the file's name. The videos of one task are folders of pictures
(`episodic_reasoning`); they are no videos here, and their questions are left out and counted.

Source: Li et al., arXiv:2311.17005; github.com/OpenGVLab/Ask-Anything, video_chat2/mvbench.ipynb;
github.com/EvolvingLMMs-Lab/lmms-eval, tasks/mvbench (accuracy over chosen letters).
"""

from functools import partial
from pathlib import Path
from typing import Any

from llm_head.video_questions import Question
from pipeline.questions import each, entries


def read(path: Path) -> list[Question]:
    """Read one task's file, or all of a folder."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    questions: list[Question] = []
    for file in files:
        questions += each(file, entries(file), partial(_question, file.stem))
    return questions


def _question(task: str, number: int, entry: dict[str, Any]) -> Question:
    span = None
    if "start" in entry and "end" in entry:
        span = (float(entry["start"]), float(entry["end"]))
    return Question(
        id=f"{task}/{number}",
        video=str(entry["video"]),
        text=str(entry["question"]),
        answer=str(entry["answer"]),
        kind=task,
        choices=tuple(str(text) for text in entry["candidates"]),
        span_s=span,
    )
