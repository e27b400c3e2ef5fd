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
from llm_head.video_questions import COLUMNS, QuestionError, answer, metrics
from pipeline import layout, manifest, protocol, questions
from pipeline.atomic import write_text
from pipeline.progress import bar
from pipeline.report.results import rounded
from pipeline.settings import Params
from pipeline.tuned import opened

log = logging.getLogger(__name__)


def run(params: Params, dataset: str) -> None:
    """Answer questions about one data set's videos, and say how often rightly.

    Of a data set that the head was trained on, videos of split test only are asked about.

    Raises:
        QuestionError: if there are no questions for the data set, or none is about a video of it
            that has tokens; at the end, with all others answered, if more of them could not be
            asked than `run.allow_failures`.
    """
    if dataset not in params.answer.questions:
        raise QuestionError(f"params.yaml: answer.questions has nothing for {dataset}")
    settings = params.answer.questions[dataset]
    head, caches = opened(dataset, params.run.device)
    table = manifest.read(layout.manifest(dataset))
    asked = questions.cut(questions.read(settings.file, settings.format), table["video_id"])
    found = questions.matched(asked, table["video_id"])
    trained_on = dataset in params.tune.train_on
    unseen = table["split"] == "test" if trained_on else table["split"].notna()
    usable = set(table["video_id"][has_tokens(table, caches) & unseen])
    there = [question for question in asked if found.get(question.id) in usable]
    what = f"has tokens{' and is of split test' if trained_on else ''}"
    if not there:
        raise QuestionError(
            f"{settings.file}: none of {len(asked)} questions is about a video of {dataset} that "
            f"{what}; the first is about {asked[0].video!r}"
        )
    cues = {row["video_id"]: cue(row) for row in table.to_dict("records")}
    rows = answer(head, there, found, caches, cues, settings.choose_by, settings.most_tokens)
    done = pd.DataFrame(bar(rows, len(there), "answer", "question"), columns=COLUMNS)
    write_text(layout.answers(dataset), done.to_csv(index=False, lineterminator="\n"))
    contents = dict(zip(table["video_id"], protocol.contents_of(table), strict=True))
    failed = done[done["error"] != ""]
    judged = done[done["error"] == ""].assign(content=lambda rows: rows["video_id"].map(contents))
    summary = {
        "format": settings.format,
        "choose_by": settings.choose_by,
        "left_out": len(asked) - len(there),
        "failed": len(failed),
        "train_on": list(params.tune.train_on),
        "kinds": rounded(metrics(judged, params.evaluate.bootstrap, params.seed))
        if len(judged)
        else {},
    }
    target = layout.answers(dataset).with_suffix(".json")
    write_text(target, json.dumps(summary, indent=1) + "\n")
    log.info("%s:\n%s", target, as_text(summary, len(asked), what))
    if len(failed) > params.run.allow_failures:
        raise QuestionError(
            f"{layout.answers(dataset)}: {len(failed)} of {len(done)} questions could not be "
            f"asked; the first, {failed['id'].iloc[0]}: {failed['error'].iloc[0]}"
        )


def as_text(summary: dict[str, Any], asked: int, what: str) -> str:
    """Return the accuracies as a table, and of how many that were asked what was left out.

    Args:
        what: is true of the videos that were not left out.
    """
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
        text += f"\n{summary['left_out']} of {asked} questions are about no video that {what}"
    return text
