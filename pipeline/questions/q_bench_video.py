"""Q-Bench-Video, the understanding of quality: a JSON list of questions.

Entries have `video_name`, `question`, `question_type` (holds yes-or-no, what/how or open_ended),
`context`, `answers` (up to four choices) and `correct_choice` (a letter; the right letter counts).
Questions about two videos (`A.mp4_cat_B.mp4.mp4`) cannot be answered from one video's tokens; no
video of a data set has such a name, so they are left out and counted.

The authors have GPT-4o judge open answers (0, 1 or 2), which is not done here: they are compared as
text, normalised, and such an accuracy is none that others publish. The field of their true answer
was not seen; `correct_ans` is what the authors' function calls it. Open questions without it are
left out.

Source: Zhang et al., arXiv:2409.20063; github.com/Q-Future/Q-Bench-Video, GPT_test.py (fields,
names of pairs) and README.md (the judge); `correct_choice`:
github.com/Q-Future/Visual-Question-Answering-for-Video-Quality-Assessment,
VQA_benchmark_test/llava/eval/model_vqa_q_bench_video.py. The data was not seen.
The same download has tables of another layout (.tsv, which github.com/open-compass/VLMEvalKit,
vlmeval/dataset/qbench_video.py reads); those are not read here.
"""

import logging
from pathlib import Path
from typing import Any

from llm_head.video_questions import LETTERS, Question, QuestionError
from pipeline.questions import each, entries

log = logging.getLogger(__name__)


def read(path: Path) -> list[Question]:
    """Read a file such as Q_Bench_Video_dev.json."""
    found = entries(path)
    questions = each(path, found, _question)
    if left_out := len(found) - len(questions):
        log.warning("%s: %d open questions have no correct_ans and are left out", path, left_out)
    return questions


def _question(number: int, entry: dict[str, Any]) -> Question | None:
    kind = entry["question_type"]
    kind = " ".join(map(str, kind)) if isinstance(kind, list) else str(kind)
    choices: tuple[str, ...] = ()
    if "open_ended" in kind:
        if "correct_ans" not in entry:
            return None
        answer = str(entry["correct_ans"])
    else:
        choices = tuple(str(text) for text in entry["answers"])
        letter = str(entry["correct_choice"]).strip()[:1]
        if not letter or letter not in LETTERS[: len(choices)]:
            raise QuestionError(
                f"correct_choice is {entry['correct_choice']!r}; wanted one of "
                f"{LETTERS[: len(choices)]}"
            )
        answer = choices[LETTERS.index(letter)]
    return Question(
        str(number), str(entry["video_name"]), str(entry["question"]), answer, kind, choices
    )
