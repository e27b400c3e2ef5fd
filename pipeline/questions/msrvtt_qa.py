"""MSRVTT-QA: a JSON list of `id`, `video_id` (7010 for video7010.mp4), `question`, `answer`.

A kind of question is its first word, which is how the authors group them (what, who, how, when,
where). An answer is one word of the training answers' vocabulary; right is the same word.

Source: Xu et al., ACM MM 2017; github.com/xudejing/video-question-answering (the files);
github.com/salesforce/LAVIS, dataset_card/msrvtt_qa.md (accuracy).
"""

from pathlib import Path
from typing import Any

from llm_head.video_questions import Question
from pipeline.questions import each, entries


def read(path: Path) -> list[Question]:
    """Read a file such as test_qa.json."""

    def make(number: int, entry: dict[str, Any]) -> Question:
        return Question(
            id=str(entry["id"]),
            video=f"video{entry['video_id']}",
            text=str(entry["question"]),
            answer=str(entry["answer"]),
            kind=str(entry["question"]).split()[0].lower(),
        )

    return each(path, entries(path), make)
