"""NExT-QA, multiple choice: a CSV of `video`, `question`, `answer` (0-4), `qid`, `type`, `a0`-`a4`.

Kinds: CW, CH (causal: why, how), TN, TC (temporal: next or before, while), DC, DL, DO (descriptive:
count, place, other). TP (before) is counted as TN, as by the authors.

Source: Xiao et al., CVPR 2021; github.com/doc-doc/NExT-QA, dataset/nextqa/val.csv and eval_mc.py.
Its open-ended half is judged by WUPS on WordNet, which this project does not compute.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from llm_head.video_questions import Question, QuestionError
from pipeline.questions import each

CHOICES = ("a0", "a1", "a2", "a3", "a4")


def read(path: Path) -> list[Question]:
    """Read a file such as val.csv."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise QuestionError(f"{path}: cannot be read as CSV: {error}") from error
    rows = [{str(name): text for name, text in row.items()} for row in table.to_dict("records")]
    return each(path, rows, _question)


def _question(number: int, row: dict[str, Any]) -> Question:
    if row["answer"] not in ("0", "1", "2", "3", "4"):
        raise QuestionError(f"answer is {row['answer']!r}; wanted 0 to 4")
    return Question(
        id=f"{row['video']}_{row['qid']}",
        video=row["video"],
        text=row["question"],
        answer=row[CHOICES[int(row["answer"])]],
        kind="TN" if row["type"] == "TP" else row["type"],
        choices=tuple(row[choice] for choice in CHOICES),
    )
