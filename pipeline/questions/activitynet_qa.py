"""ActivityNet-QA: `test_q.json` with the questions, `test_a.json` beside it with the answers.

Questions have `video_name` (of YouTube), `question`, `question_id` (`v_`, the video's name, `_2`);
answers `answer`, `type` (0-8), `question_id`. ActivityNet calls its files `v_` and the name; the
name alone is found too. An answer is right if it is the same text, as the authors count. They
report types 3 to 8 together as free.

Source: Yu et al., AAAI 2019. Checked against the published files: github.com/MILVLG/activitynet-qa,
dataset/val_q.json, val_a.json, test_a.json; dataset/README.md (types), evaluation/eval.py (right).
Both ways of calling a video: github.com/mbzuai-oryx/Video-ChatGPT,
video_chatgpt/eval/run_inference_activitynet_qa.py. Its judge, a language model, is not here.
"""

from pathlib import Path
from typing import Any

from llm_head.video_questions import Question, QuestionError
from pipeline.questions import joined

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
FREE = TYPES[3:]


def read(path: Path) -> list[Question]:
    """Read a file such as test_q.json."""
    if not path.stem.endswith("_q"):
        raise QuestionError(f"{path}: wanted the file of questions, such as test_q.json")
    return joined(path, _question)


def _question(entry: dict[str, Any], answer: dict[str, Any]) -> Question:
    number = int(answer["type"])
    if number not in range(len(TYPES)):
        raise QuestionError(f"type is {number}; wanted 0 to {len(TYPES) - 1}")
    kind = TYPES[number]
    return Question(
        id=str(entry["question_id"]),
        video=f"v_{entry['video_name']}",
        text=str(entry["question"]),
        answer=str(answer["answer"]),
        kind=kind,
        group="free" if kind in FREE else "",
        same="exact",
        also=(str(entry["video_name"]),),
    )
