"""MSRVTT-QA: a JSON list of `id`, `video_id` (7010 for video7010.mp4), `question`, `answer`.

The same questions go round as `test_q.json` and `test_a.json`, in ActivityNet-QA's form: there
`video_name` is the file's name and ids are texts. Both are read. A kind of question is its first
word, as the authors group them (what, who, how, when, where). An answer is one word of the
training answers' vocabulary and right if it is the same text, as the authors count.

Source: Xu et al., ACM MM 2017; github.com/xudejing/video-question-answering, preprocess_msrvttqa.py
(names of files, answers) and run_gra.py (right); github.com/antoyang/just-ask,
preproc/preproc_msrvttqa.py (fields); github.com/PKU-YuanGroup/Video-LLaVA,
videollava/eval/video/run_inference_video_qa.py (the second form). The files were not seen.
"""

from pathlib import Path
from typing import Any

from llm_head.video_questions import Question
from pipeline.questions import each, entries, joined


def read(path: Path, prefix: str = "video") -> list[Question]:
    """Read a file such as test_qa.json, or test_q.json with test_a.json beside it.

    Args:
        prefix: of the number that a video has in test_qa.json, to make its file's name.
    """
    if path.stem.endswith("_q"):
        return joined(path, _named)

    def numbered(number: int, entry: dict[str, Any]) -> Question:
        return _question(str(entry["id"]), f"{prefix}{int(entry['video_id'])}", entry, entry)

    return each(path, entries(path), numbered)


def _named(entry: dict[str, Any], answer: dict[str, Any]) -> Question:
    return _question(str(entry["question_id"]), str(entry["video_name"]), entry, answer)


def _question(name: str, video: str, asked: dict[str, Any], answer: dict[str, Any]) -> Question:
    return Question(
        id=name,
        video=video,
        text=str(asked["question"]),
        answer=str(answer["answer"]),
        kind=str(asked["question"]).split()[0].lower(),
        same="exact",
    )
