"""Q-Bench-Video, the understanding of quality: a JSON list of questions.

Entries have `video_name`, `question`, `question_type` (holds yes-or-no, what/how or open_ended),
`context`, `answers` (the choices), `correct_choice` (a letter) and, of open questions,
`correct_ans`. Questions about two videos (`A.mp4_cat_B.mp4`) cannot be answered from one video's
tokens; no video of a data set has such a name, so they are left out and counted.

Source: Zhang et al., arXiv:2409.20063; github.com/Q-Future/Q-Bench-Video, GPT_test.py and
README.md; the VQA2 assistant's model_vqa_q_bench_video.py (`correct_choice`). The data itself could
not be looked at: `correct_ans` is the name in the authors' function that has GPT-4o judge open
answers, which is not done here.
"""

from pathlib import Path
from typing import Any

from llm_head.video_questions import LETTERS, Question, QuestionError
from pipeline.questions import each, entries


def read(path: Path) -> list[Question]:
    """Read a file such as Q_Bench_Video_dev.json."""
    return each(path, entries(path), _question)


def _question(number: int, entry: dict[str, Any]) -> Question:
    kind = entry["question_type"]
    kind = " ".join(map(str, kind)) if isinstance(kind, list) else str(kind)
    choices: tuple[str, ...] = ()
    if "open_ended" in kind:
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
