import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from llm_head import instruct, questions
from llm_head.instruct import InstructError, Record
from llm_head.questions import Task
from tests.synthetic import make_manifest


def manifest(**columns: list[Any]) -> pd.DataFrame:
    count = len(next(iter(columns.values())))
    table: dict[str, Any] = {
        "video_id": [f"v{i}" for i in range(count)],
        "split": "train",
        "mos": float("nan"),
        "impairment": "",
        "motion": "",
    }
    return pd.DataFrame(table | columns)


def build(table: pd.DataFrame, dataset: str, tasks: Iterable[Task], seed: int) -> list[Record]:
    names = {video: f"tokens of {video}" for video in table["video_id"]}
    return instruct.build(table, dataset, tasks, names, seed)


def test_records_are_asked_only_where_the_answer_is_known() -> None:
    table = manifest(mos=[76.84, float("nan")], impairment=["blur", ""], motion=["", "frozen"])
    records = build(table, "d", questions.TASKS, seed=0)
    assert [(r.video, r.task, r.conversations[1].value) for r in records] == [
        ("v0", "score", "The score is 76.8."),
        ("v0", "level", "The quality is good."),
        ("v0", "impairment", "The impairment is blur."),
        ("v1", "motion", "The motion is frozen."),
    ]
    assert [r.mos for r in records] == [76.84, 76.84, None, None]


def test_what_was_taught_is_what_training_records_answer() -> None:
    table = manifest(
        split=["train", "train", "test"], impairment=["noise", "blur", "freeze"], mos=[1, 2, 3.0]
    )
    records = build(table, "d", questions.TASKS, seed=0)
    found = instruct.taught(records)
    assert found == {"score": (), "level": (), "impairment": ("blur", "noise")}
    more = build(manifest(impairment=["none"], motion=["frozen"]), "e", questions.TASKS, seed=0)
    assert instruct.taught(more, found) == {
        "score": (),
        "level": (),
        "impairment": ("none", "blur", "noise"),
        "motion": ("frozen",),
    }


def test_videos_without_tokens_have_no_records_and_others_name_theirs() -> None:
    table = manifest(mos=[50.0, 60.0])
    (record,) = instruct.build(table, "d", ["score"], {"v1": "abc"}, seed=0)
    assert (record.video, record.tokens) == ("v1", "abc")


def test_training_wordings_vary_and_repeat_with_the_seed() -> None:
    table = manifest(mos=[50.0] * 40)
    first = build(table, "d", ["level"], seed=0)
    assert build(table, "d", ["level"], seed=0) == first
    assert build(table, "d", ["level"], seed=1) != first
    assert len({r.conversations[0].value for r in first}) > 10


def test_validation_and_test_are_asked_in_the_canonical_wording() -> None:
    table = manifest(mos=[50.0] * 4, split=["val", "test"] * 2)
    for record in build(table, "d", ["level"], seed=0):
        assert record.conversations[0].value == f"<video>\n{questions.canonical('level')}"


def test_a_value_that_has_no_answer_names_its_row() -> None:
    with pytest.raises(InstructError, match=r"d, line 3 \(v1\): impairment 'rain' is none of"):
        build(manifest(impairment=["blur", "rain"]), "d", ["impairment"], seed=0)
    with pytest.raises(InstructError, match=r"line 2 \(v0\): a MOS must lie in 0\.\.100"):
        build(manifest(mos=[101.0]), "d", ["score"], seed=0)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    table = manifest(mos=[12.0, 99.0], motion=["smooth", "frozen"], video_id=["a/b", "ü"])
    records = build(table, "d", questions.TASKS, seed=0)
    path = tmp_path / "instruct.jsonl"
    path.write_text(instruct.to_jsonl(records), encoding="utf-8")
    assert instruct.read(path, "other") == records
    line = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    assert line["conversations"][0]["from"] == "human"
    assert line["conversations"][0]["value"].startswith("<video>\n")


def foreign(**changes: Any) -> dict[str, Any]:
    turns = ["<video>\nHow sharp is it?", "Very.", "And the sound?", "I cannot hear it."]
    speakers = ["human", "gpt"] * 2
    conversations = [
        {"from": who, "value": text} for who, text in zip(speakers, turns, strict=True)
    ]
    return {"id": 7, "video": "v0", "conversations": conversations} | changes


def read_one(tmp_path: Path, text: str) -> list[Record]:
    path = tmp_path / "foreign.jsonl"
    path.write_text(text, encoding="utf-8")
    return instruct.read(path, "d")


def test_other_peoples_records_are_read(tmp_path: Path) -> None:
    (record,) = read_one(tmp_path, json.dumps(foreign()) + "\n\n")
    assert (record.id, record.dataset, record.split, record.task) == ("7", "d", "train", "other")
    assert len(record.conversations) == 4


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "wanted a JSON object"),
        ("{", "line 2"),
        (json.dumps(foreign(video="")), "video must be a name"),
        (json.dumps(foreign(split="dev")), "split 'dev'"),
        (json.dumps(foreign(mos=300)), "mos must be a number in 0..100"),
        (json.dumps(foreign(mos="50")), "mos must be a number in 0..100"),
        (json.dumps(foreign(conversations=[])), "pairs of a human and a gpt"),
        (json.dumps(foreign(conversations=foreign()["conversations"][1:3])), "from 'human'"),
        (json.dumps(foreign()).replace("<video>", ""), "<video> must be there once"),
        (json.dumps(foreign()).replace("Very", "<video>"), "<video> must be there once"),
        (json.dumps(foreign()).replace("Very.", " "), "message 2 has no text"),
        (json.dumps(foreign()), "id '7' is there twice"),
    ],
)
def test_a_wrong_record_names_file_and_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InstructError, match=r"foreign\.jsonl line 2") as caught:
        read_one(tmp_path, json.dumps(foreign()) + "\n" + line)
    assert message in str(caught.value)


def test_a_missing_file_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(InstructError, match="run stage instruct"):
        instruct.read(tmp_path / "none.jsonl", "d")


def test_percentile_levels_are_ranks_among_the_training_videos(tmp_path: Path) -> None:
    table = make_manifest(60).assign(mos=[60 + i / 2 for i in range(60)])
    tokens = dict.fromkeys(table["video_id"], "t")
    records = instruct.build(table, "d", ["level"], tokens, seed=0, levels="percentile")
    train = table.loc[table["split"] == "train", "mos"]
    low, high = np.percentile(train, [33, 66])
    for record, mos in zip(records, table["mos"], strict=True):
        level = "poor" if mos < low else "fair" if mos < high else "good"
        assert record.conversations[-1].value == f"The quality is {level}."
        assert record.mos is None  # learned as text: there is no soft label of a rank
    with pytest.raises(InstructError, match="no training video has a MOS"):
        instruct.build(
            table.assign(split="test"), "d", ["level"], tokens, seed=0, levels="percentile"
        )


def test_the_deviation_between_raters_goes_with_the_mos(tmp_path: Path) -> None:
    table = manifest(mos=[50.0, 60.0], mos_std=[17.5, float("nan")], motion=["frozen", ""])
    records = build(table, "d", ["score", "level", "motion"], seed=0)
    assert [r.mos_std for r in records] == [17.5, 17.5, None, None, None]
    path = tmp_path / "d.jsonl"
    path.write_text(instruct.to_jsonl(records))
    assert instruct.read(path, "d") == records
    path.write_text(path.read_text().replace("17.5", "-1"))
    with pytest.raises(InstructError, match="line 1: mos_std must be a number"):
        instruct.read(path, "d")
