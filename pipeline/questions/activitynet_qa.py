"""ActivityNet-QA: `test_q.json` with the questions, `test_a.json` beside it with the answers.

Questions have `video_name`, `question`, `question_id`; answers `answer`, `type`, `question_id`.
Videos are called `v_` and their name, as ActivityNet does.

Source: Yu et al., AAAI 2019; github.com/MILVLG/activitynet-qa, dataset/README.md (types) and
evaluation/eval.py (an answer is right if it is the same text: `exact`).
"""

from pathlib import Path
from typing import Any

from llm_head.video_questions import Question, QuestionError
from pipeline.questions import each, entries

TYPES = (
    "motion",
    "spatial",
    "temporal",
    "yes/no",
    "color",
    "object",
    "location",
    "number",
    "other",
)


def read(path: Path) -> list[Question]:
    """Read a file such as test_q.json."""
    if not path.stem.endswith("_q"):
        raise QuestionError(f"{path}: wanted the file of questions, such as test_q.json")
    theirs = path.with_name(f"{path.stem[:-1]}a.json")
    answers = {str(entry.get("question_id")): entry for entry in entries(theirs)}

    def make(number: int, entry: dict[str, Any]) -> Question:
        name = str(entry["question_id"])
        if name not in answers:
            raise QuestionError(f"question {name} has no answer in {theirs}")
        return Question(
            id=name,
            video=f"v_{entry['video_name']}",
            text=str(entry["question"]),
            answer=str(answers[name]["answer"]),
            kind=TYPES[int(answers[name]["type"])],
        )

    return each(path, entries(path), make)
