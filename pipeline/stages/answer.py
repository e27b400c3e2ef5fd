"""Stage answer: reads a file of questions, results/model/ and data/<dataset>/{manifest.csv,
spatial/,temporal/}, writes results/answers/<dataset>.csv and .json.

Params: seed, answer, evaluate.
"""

import json
import logging
from typing import Any

import pandas as pd

from llm_head.cue import cue
from llm_head.predictions import has_tokens
from llm_head.video_questions import COLUMNS, Question, QuestionError, answer, metrics
from pipeline import layout, manifest, questions
from pipeline.atomic import write_text
from pipeline.progress import bar
from pipeline.report.results import rounded
from pipeline.settings import Params
from pipeline.tuned import opened

log = logging.getLogger(__name__)


def run(params: Params, dataset: str) -> None:
    """Answer questions about one data set's videos, and say how often rightly.

    Raises:
        QuestionError: if there are no questions for the data set, or none is about a video of it
            that has tokens.
    """
    if dataset not in params.answer.questions:
        raise QuestionError(f"params.yaml: answer.questions has nothing for {dataset}")
    settings = params.answer.questions[dataset]
    head, caches = opened(dataset, params.run.device)
    asked = questions.read(settings.file, settings.format)
    table = manifest.read(layout.manifest(dataset))
    videos = table["video_id"][has_tokens(table, caches)]
    found = questions.matched(asked, videos)
    there = [question for question in asked if question.id in found]
    if not there:
        raise QuestionError(
            f"{settings.file}: none of {len(asked)} questions is about a video of {dataset} that "
            f"has tokens; the first is about {asked[0].video!r}"
        )
    cues = {row["video_id"]: cue(row) for row in table.to_dict("records")}
    rows = answer(head, there, found, caches, cues, settings.choose_by, settings.most_tokens)
    done = pd.DataFrame(bar(rows, len(there), "answer", "question"), columns=COLUMNS)
    write_text(layout.answers(dataset), done.to_csv(index=False, lineterminator="\n"))
    contents = dict(zip(table["video_id"], table["content"], strict=True))
    done["content"] = done["video_id"].map(contents)
    summary = {
        "format": settings.format,
        "choose_by": settings.choose_by,
        "left_out": len(asked) - len(there),
        "train_on": list(params.tune.train_on),
        "kinds": rounded(metrics(done, params.evaluate.bootstrap, params.seed)),
    }
    target = layout.answers(dataset).with_suffix(".json")
    write_text(target, json.dumps(summary, indent=1) + "\n")
    log.info("%s:\n%s", target, as_text(summary, asked))


def as_text(summary: dict[str, Any], asked: list[Question]) -> str:
    """Return the accuracies as a table, and what was left out."""
    rows = []
    for name, found in summary["kinds"].items():
        low, high = found["interval"]
        known = low is not None
        rows.append(
            {
                "": name,
                "n": found["n"],
                "accuracy": f"{found['accuracy']:.3f}",
                "95 %": f"{low:.3f} to {high:.3f}" if known else "",
                "chance": "" if found["chance"] is None else f"{found['chance']:.3f}",
                "most common": f"{found['most_common']:.3f}",
            }
        )
    text = pd.DataFrame(rows).to_string(index=False)
    if summary["left_out"]:
        text += f"\n{summary['left_out']} of {len(asked)} questions are about videos without tokens"
    return text
