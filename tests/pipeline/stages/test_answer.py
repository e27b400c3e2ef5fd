"""Conversations of others, learned from; questions of others, answered: three stages together."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from llm_head.instruct import InstructError
from llm_head.video_questions import QuestionError
from pipeline import layout, manifest
from pipeline.settings import Params
from pipeline.stages import answer, conversations, instruct, tune
from tests.synthetic import make_caches, make_manifest, make_params
from tests.tiny_llm import save_tiny_llm

CHOICES = ["It freezes.", "It runs on."]


def told(motion: str) -> str:
    return CHOICES[motion == "smooth"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Return the settings of a project with two conversations' worth of files of others."""
    monkeypatch.chdir(tmp_path)
    table = make_manifest(48)
    last = table.index[table["split"] == "test"][-1]
    table.loc[last, "video_id"] = "part_70.0_71.0"  # a clip cut out of a video called part
    unrated = table.assign(mos=float("nan"), impairment="", motion="")  # nothing of our own to ask
    manifest.write(layout.manifest("syn"), unrated)
    make_caches(layout.cache("syn", "spatial").parent, table)
    entries: list[dict[str, Any]] = [
        {
            "video": f"elsewhere/{row.video_id}.mp4",
            "task": "freeze",
            "choices": CHOICES,
            "conversations": [
                {"from": "human", "value": "<video>\nDoes it freeze?"},
                {"from": "gpt", "value": told(str(row.motion))},
            ],
        }
        for row in table.itertuples()
    ]
    Path("theirs.json").write_text(json.dumps([*entries, {**entries[0], "video": "unknown.mp4"}]))
    asked = [
        {"video": row.video_id, "question": "Does it freeze?", "candidates": CHOICES,
         "answer": told(str(row.motion))}
        for row in table[table["split"] == "test"].itertuples()
    ]  # fmt: skip
    Path("asked.json").write_text(json.dumps([*asked, {**asked[0], "video": "unknown.mp4"}]))
    settings = make_params(str(save_tiny_llm(tmp_path / "llm"))).model_dump()
    settings["conversations"] = {"files": {"syn": "theirs.json"}}
    where = {"file": "asked.json", "format": "mvbench", "choose_by": "text"}
    settings["answer"] = {"questions": {"syn": where}}
    settings["instruct"]["tasks"] = ["score"]
    settings["tune"] |= {"epochs": 6, "align_steps": 60, "align_weight": 1.0}
    return Params.model_validate(settings)


def test_what_others_ask_and_answer_is_learned_and_tested(
    project: Params, caplog: pytest.LogCaptureFixture
) -> None:
    instruct.run(project, "syn")
    conversations.run(project, "syn")
    assert "1 are about videos that syn has not" in caplog.text
    tune.run(project)
    answer.run(project, "syn")
    rows = pd.read_csv(layout.answers("syn"))
    summary = json.loads(layout.answers("syn").with_suffix(".json").read_text())
    assert summary["left_out"] == 1 and summary["kinds"]["all"]["n"] == len(rows) == 8
    assert summary["kinds"]["kind asked"]["accuracy"] == rows["right"].mean() >= 0.75
    first = layout.answers("syn").read_bytes()
    answer.run(project, "syn")
    assert layout.answers("syn").read_bytes() == first


def test_nothing_to_learn_from_or_to_answer_is_an_error(project: Params) -> None:
    with pytest.raises(QuestionError, match=r"answer\.questions has nothing for mine"):
        answer.run(project, "mine")
    Path("theirs.json").write_text("[]")
    with pytest.raises(InstructError, match="no conversation is about a video of syn"):
        conversations.run(project, "syn")


def test_only_what_was_not_trained_on_is_asked_and_what_cannot_be_asked_costs_itself(
    project: Params,
) -> None:
    instruct.run(project, "syn")
    conversations.run(project, "syn")
    tune.run(project)
    table = manifest.read(layout.manifest("syn"))
    entry = {"question": "Does it freeze?", "candidates": CHOICES, "answer": CHOICES[0]}
    asked = [{"video": name, **entry} for name in table["video_id"]]
    test = table.loc[table["split"] == "test", "video_id"]
    asked.append({"video": test.iloc[0], **entry, "start": 70.0, "end": 71.0})
    asked.append({"video": "part.mp4", **entry, "start": 70.0, "end": 71.0})
    Path("asked.json").write_text(json.dumps(asked))
    with pytest.raises(QuestionError, match=r"1 of 10 questions could not be asked; .*70\.0 to 71"):
        answer.run(project, "syn")
    rows = pd.read_csv(layout.answers("syn"))
    assert set(rows["video_id"]) == set(test) and len(rows) == 10
    assert rows["video_id"].iloc[-1] == "part_70.0_71.0" and pd.isna(rows["error"].iloc[-1])
    summary = json.loads(layout.answers("syn").with_suffix(".json").read_text())
    assert summary["failed"] == 1 and summary["left_out"] == 40
    assert summary["kinds"]["all"]["n"] == 9
    lenient = project.model_copy(
        update={"run": project.run.model_copy(update={"allow_failures": 1})}
    )
    answer.run(lenient, "syn")


def test_questions_about_one_video_are_drawn_together(project: Params) -> None:
    instruct.run(project, "syn")
    conversations.run(project, "syn")
    tune.run(project)
    table = manifest.read(layout.manifest("syn")).assign(content="")
    manifest.write(layout.manifest("syn"), table)
    entry = {"question": "Does it freeze?", "candidates": CHOICES, "answer": CHOICES[0]}
    four = table.loc[table["split"] == "test", "video_id"][:4]
    Path("asked.json").write_text(
        json.dumps([{"video": v, **entry} for v in four for _ in range(9)])
    )
    answer.run(project, "syn")
    summary = json.loads(layout.answers("syn").with_suffix(".json").read_text())
    assert summary["kinds"]["all"]["n"] == 36
    assert summary["kinds"]["all"]["interval"] == [None, None]  # four videos are too few
