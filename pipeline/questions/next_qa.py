"""NExT-QA, multiple choice: a CSV of `video`, `question`, `answer` (0-4), `qid`, `type`, `a0`-`a4`.

Other columns are not needed. Kinds: CW, CH (causal: why, how), TN, TC (temporal: next or before,
while), DC, DL, DO (descriptive: count, place, other). TP (before) is counted as TN, as by the
authors, who report causal, temporal and descriptive too. `video` is the file's name in VidOR,
whose folders (1164/4010069381.mp4) are in the authors' map_vid_vidorID.json; the map is not needed,
as names are found in any folder.

Source: Xiao et al., CVPR 2021. Checked against the published files: github.com/doc-doc/NExT-QA,
dataset/nextqa/val.csv and map_vid_vidorID.json; eval_mc.py (the right option's number counts).
The open half (github.com/doc-doc/NExT-OE, dataset/nextqa/val.csv: no `a0`-`a4`, `answer` is a text)
is judged there by eval_oe.py: WUPS, and for yes or no and counts the same lemmas. Both need
WordNet, which this project does not depend on, so it is refused.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from llm_head.video_questions import Question, QuestionError
from pipeline.questions import each

CHOICES = ("a0", "a1", "a2", "a3", "a4")
GROUPS = {"C": "causal", "T": "temporal", "D": "descriptive"}


def read(path: Path) -> list[Question]:
    """Read a file such as val.csv."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise QuestionError(f"{path}: cannot be read as CSV: {error}") from error
    if "answer" in table and not set(CHOICES) & set(table):
        raise QuestionError(
            f"{path}: has no choices a0 to a4, so it is NExT-QA's open half, which is judged by "
            "WUPS on WordNet; only multiple choice is read here"
        )
    rows = [{str(name): text for name, text in row.items()} for row in table.to_dict("records")]
    return each(path, rows, _question)


def _question(number: int, row: dict[str, Any]) -> Question:
    if row["answer"] not in ("0", "1", "2", "3", "4"):
        raise QuestionError(f"answer is {row['answer']!r}; wanted 0 to 4")
    if row["type"][:1] not in GROUPS:
        raise QuestionError(f"type is {row['type']!r}; wanted one that begins with C, T or D")
    return Question(
        id=f"{row['video']}_{row['qid']}",
        video=row["video"],
        text=row["question"],
        answer=row[CHOICES[int(row["answer"])]],
        kind="TN" if row["type"] == "TP" else row["type"],
        choices=tuple(row[choice] for choice in CHOICES),
        group=GROUPS[row["type"][0]],
    )
