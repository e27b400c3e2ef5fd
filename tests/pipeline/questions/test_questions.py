"""Each published format in a few lines written by hand, after the places that its module names."""

import json
from pathlib import Path

import pytest

from llm_head.video_questions import Question, QuestionError
from pipeline import questions

NEXT_QA = (
    "video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4\n"
    "40100,369,640,480,how do the two man play,0,6,CH,roll the handle,tap,strum,hit,pat\n"
    "63290,1835,640,360,what did the lady do before,4,7,TP,touch,turn,adjust,smile,take napkin\n"
)


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_next_qa(tmp_path: Path) -> None:
    how, before = questions.read(write(tmp_path / "val.csv", NEXT_QA), "next_qa")
    choices = ("roll the handle", "tap", "strum", "hit", "pat")
    assert how == Question(
        "40100_6", "40100", "how do the two man play", "roll the handle", "CH", choices
    )
    assert (before.answer, before.kind) == ("take napkin", "TN")  # before counts as next


def test_mvbench_is_a_file_per_task_and_some_ask_about_a_part(tmp_path: Path) -> None:
    asked = {"video": "1.webm", "question": "Why?", "candidates": ["x", "y"], "answer": "y"}
    write(tmp_path / "action_antonym.json", [asked])
    write(tmp_path / "action_sequence.json", [{**asked, "start": 1.5, "end": 4.0}])
    whole, part = questions.read(tmp_path, "mvbench")
    assert whole == Question(
        "action_antonym/0", "1.webm", "Why?", "y", "action_antonym", ("x", "y")
    )
    assert part.span_s == (1.5, 4.0) and part.kind == "action_sequence"
    assert questions.read(tmp_path / "action_antonym.json", "mvbench") == [whole]


def test_activitynet_qa_joins_questions_and_answers(tmp_path: Path) -> None:
    name = "v1_3"
    asked = {"video_name": "1QIUV7WYKXg", "question": "is she indoors", "question_id": name}
    write(tmp_path / "val_q.json", [asked])
    write(tmp_path / "val_a.json", [{"answer": "yes", "type": 3, "question_id": name}])
    (found,) = questions.read(tmp_path / "val_q.json", "activitynet_qa")
    assert found == Question(name, "v_1QIUV7WYKXg", "is she indoors", "yes", "yes/no")
    write(tmp_path / "val_a.json", [])
    with pytest.raises(
        QuestionError, match=r"entry 1: question v1_3 has no answer in .*val_a\.json"
    ):
        questions.read(tmp_path / "val_q.json", "activitynet_qa")
    with pytest.raises(QuestionError, match=r"such as test_q\.json"):
        questions.read(tmp_path / "val_a.json", "activitynet_qa")


def test_msrvtt_qa_and_msvd_qa_call_videos_by_number(tmp_path: Path) -> None:
    entry = {"id": 3, "video_id": 1201, "question": "who is cutting", "answer": "man"}
    path = write(tmp_path / "test_qa.json", [{**entry, "category_id": 4}])
    assert questions.read(path, "msrvtt_qa") == [
        Question("3", "video1201", "who is cutting", "man", "who")
    ]
    assert questions.read(path, "msvd_qa")[0].video == "vid1201"
    write(tmp_path / "youtube_mapping.txt", "-4wsuPCjDBc_5_15 vid1\nabc_1_2 vid1201\n")
    assert questions.read(path, "msvd_qa")[0].video == "abc_1_2"


def test_q_bench_video(tmp_path: Path) -> None:
    common = {"video_name": "a.mp4", "question": "Is it sharp?", "context": "Technical"}
    chosen = {**common, "question_type": "yes-or-no", "answers": ["Yes", "No"]}
    written = {**common, "question_type": "open_ended", "correct_ans": "Blur."}
    path = write(tmp_path / "dev.json", [{**chosen, "correct_choice": "B"}, written])
    first, second = questions.read(path, "q_bench_video")
    assert first == Question("0", "a.mp4", "Is it sharp?", "No", "yes-or-no", ("Yes", "No"))
    assert second == Question("1", "a.mp4", "Is it sharp?", "Blur.", "open_ended")


def test_a_wrong_entry_is_named(tmp_path: Path) -> None:
    header = "video,question,answer,qid,type,a0,a1,a2,a3,a4"
    rows = ["1,why,0,0,CW,a,b,c,d,e", "1,why,,1,CW,a,b,c,d,e"]
    path = write(tmp_path / "val.csv", "\n".join([header, *rows]))
    with pytest.raises(QuestionError, match=r"val\.csv entry 2: answer is ''; wanted 0 to 4"):
        questions.read(path, "next_qa")
    path = write(tmp_path / "val.csv", "\n".join([header, rows[0], rows[0]]))
    with pytest.raises(QuestionError, match="1 ids come more than once, such as '1_0'"):
        questions.read(path, "next_qa")
    entry = {"video_name": "a.mp4", "question": "Sharp?", "question_type": "yes-or-no"}
    entry |= {"answers": ["Yes", "No"], "correct_choice": "c"}
    path = write(tmp_path / "dev.json", [entry])
    with pytest.raises(QuestionError, match=r"entry 1: correct_choice is 'c'; wanted one of AB"):
        questions.read(path, "q_bench_video")
    path = write(tmp_path / "deep.json", "[" * 100_000)
    with pytest.raises(QuestionError, match="cannot be read as JSON"):
        questions.read(path, "msrvtt_qa")


@pytest.mark.parametrize("name", questions.formats())
def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "test_q.json", [{"nothing": 1}])
    write(tmp_path / "test_a.json", [{"nothing": 1}])
    with pytest.raises(QuestionError, match=r"test_q\.json"):
        questions.read(path, name)
    with pytest.raises(QuestionError, match="no such file"):
        questions.read(tmp_path / "absent.json", name)


def test_an_unknown_format_lists_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(QuestionError, match="'next_qa'"):
        questions.read(tmp_path, "nextqa")


@pytest.mark.parametrize(
    ("called", "wanted"),
    [
        ("a", "x/a"),
        ("a.mp4", "x/a"),
        ("elsewhere/a.webm", "x/a"),
        ("x/b.mp4", "x/b"),
        ("y/b", "y/b"),
        ("v_1.5", "v_1.5"),
        ("nothing.mp4", None),
        ("", None),
    ],
)
def test_videos_are_found_by_path_or_by_a_name_that_only_one_has(
    called: str, wanted: str | None
) -> None:
    assert questions.finder(["x/a", "x/b", "y/b", "v_1.5"])(called) == wanted


def test_a_name_of_several_videos_is_an_error() -> None:
    with pytest.raises(QuestionError, match="call it by its path"):
        questions.finder(["x/b", "y/b"])("b.mp4")
