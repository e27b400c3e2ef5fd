"""NExT-QA, multiple choice: a CSV of `video`, `question`, `answer` (0-4), `qid`, `type`, `a0`-`a4`.

Kinds: CW, CH (causal: why, how), TN, TC (temporal: next or before, while), DC, DL, DO (descriptive:
count, place, other). TP (before) is counted as TN, as by the authors.

Source: Xiao et al., CVPR 2021; github.com/doc-doc/NExT-QA, dataset/nextqa/val.csv and eval_mc.py.
Its open-ended half is judged by WUPS on WordNet, which this project does not compute.
"""

from pathlib import Path

import pandas as pd

from llm_head.video_questions import Question

CHOICES = ("a0", "a1", "a2", "a3", "a4")


def read(path: Path) -> list[Question]:
    """Read a file such as val.csv."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return [
        Question(
            id=f"{row['video']}_{row['qid']}",
            video=row["video"],
            text=row["question"],
            answer=row[CHOICES[int(row["answer"])]],
            kind="TN" if row["type"] == "TP" else row["type"],
            choices=tuple(row[choice] for choice in CHOICES),
        )
        for row in table.to_dict("records")
    ]
