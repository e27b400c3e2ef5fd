import json
from pathlib import Path

import pytest

from llm_head.conversations import read
from llm_head.instruct import InstructError, Record, to_jsonl
from llm_head.instruct import read as read_records

IDS = {"videos/a.mp4": "a", "b": "b"}
SPLITS = {"a": "train", "b": "test"}
TOKENS = {"a": "t1", "b": "t2"}


def entry(video: str, first: str = "<video>\nWhat?", **more: object) -> dict[str, object]:
    turns = [{"from": "human", "value": first}, {"from": "gpt", "value": "That."}]
    return {"id": 7, "video": video, "conversations": turns, **more}


def load(path: Path, tokens: dict[str, str] = TOKENS) -> tuple[list[Record], int]:
    return read(path, "mine", IDS.get, SPLITS, tokens)


def test_a_list_and_lines_give_the_same_records(tmp_path: Path) -> None:
    entries = [entry("videos/a.mp4"), entry("b", task="camera", choices=["That.", "This."])]
    whole, lines = tmp_path / "x" / "c.json", tmp_path / "y" / "c.json"
    for path in (whole, lines):
        path.parent.mkdir()
    whole.write_text(json.dumps(entries, indent=1))
    lines.write_text("\n".join(json.dumps(each) for each in entries))
    records, left_out = load(whole)
    assert load(lines) == (records, left_out) and left_out == 0
    assert [record.id for record in records] == ["mine/c/1", "mine/c/2"]
    assert [record.tokens for record in records] == ["t1", "t2"]
    assert records[1].task == "camera" and records[1].choices == ("That.", "This.")
    (tmp_path / "records.jsonl").write_text(to_jsonl(records))
    assert read_records(tmp_path / "records.jsonl", "mine") == records


@pytest.mark.parametrize("first", ["What? <video>", "<image>\nWhat?", "What?", "<video>\nWhat?"])
def test_the_video_s_mark_may_be_anywhere(tmp_path: Path, first: str) -> None:
    (tmp_path / "c.json").write_text(json.dumps([entry("b", first)]))
    ((record,), _) = load(tmp_path / "c.json")
    assert record.conversations[0].value == "<video>\nWhat?"


def test_a_tested_video_is_not_learned_from_whatever_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(json.dumps([entry("b", split="train")]))
    ((record,), _) = load(tmp_path / "c.json")
    assert record.split == "test"


def test_videos_that_are_not_there_are_counted(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(json.dumps([entry("elsewhere.mp4"), entry("b")]))
    assert load(tmp_path / "c.json", {"a": "t1"}) == ([], 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2]", "wanted a list of objects"),
        ("{", "cannot be read as JSON"),
        (json.dumps([{"video": "b"}]), "entry 1: KeyError"),
        (json.dumps([entry("b", choices="yes")]), "choices must be a list"),
        (json.dumps([{"video": "b", "conversations": [{"from": "gpt", "value": "x"}]}]), "entry 1"),
    ],
)
def test_what_is_no_conversation_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "c.json").write_text(content)
    with pytest.raises(InstructError, match=message):
        load(tmp_path / "c.json")
