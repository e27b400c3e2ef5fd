"""Each published format in a few made-up entries, in exactly the layout its module names."""

import json
import logging
from pathlib import Path

import pytest

from llm_head.video_questions import Question, QuestionError
from pipeline import questions

NEXT_QA = (
    "video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4\n"
    "1000000001,369,640,480,how does the cat reach the shelf,0,6,CH,leap,climb,none,fly,fall over\n"
    "1000000002,1835,640,360,what did the cook do before stirring,2,7,TP,sat,ate,wash pan,cut,ran\n"
    "11000000003,327,480,640,how many boats are there,4,7,DC,seven,two,three,four,one\n"
)
NEXT_OE = (
    "video,frame_count,width,height,question,answer,qid,type\n"
    "1000000001,369,640,480,is the cat big or small,small,4,DB\n"
)


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_next_qa(tmp_path: Path) -> None:
    how, before, count = questions.read(write(tmp_path / "val.csv", NEXT_QA), "next_qa")
    assert how == Question(
        "1000000001_6",
        "1000000001",
        "how does the cat reach the shelf",
        "leap",
        "CH",
        ("leap", "climb", "none", "fly", "fall over"),  # none is a word, not a gap
        group="causal",
    )
    assert (before.answer, before.kind) == ("wash pan", "TN")  # before counts as next
    assert (before.group, count.group, count.answer) == ("temporal", "descriptive", "one")
    in_folders = ["1164/1000000001", "0011/1000000002"]  # as VidOR has them
    found = questions.matched([how, before, count], in_folders)
    assert found == {how.id: "1164/1000000001", before.id: "0011/1000000002"}


def test_next_qa_open_half_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "val.csv", NEXT_OE)
    with pytest.raises(QuestionError, match=r"val\.csv: .*open half.* WUPS"):
        questions.read(path, "next_qa")
    path = write(tmp_path / "val.csv", NEXT_QA.replace(",CH,", ",X,"))
    with pytest.raises(QuestionError, match="entry 1: type is 'X'"):
        questions.read(path, "next_qa")


def test_mvbench_is_a_file_per_task_and_some_ask_about_a_part(tmp_path: Path) -> None:
    asked = {"video": "1.webm", "question": "Why?", "candidates": ["x", "y"], "answer": "y"}
    write(tmp_path / "action_antonym.json", [asked])
    part = {
        **asked,
        "video": "AB1CD.mp4",
        "start": 1.5,
        "end": 4.0,
        "accurate_start": 2,
        "accurate_end": 3,
    }
    write(tmp_path / "action_sequence.json", [part])
    write(tmp_path / "mine.json", [{**asked, "video": "clips/a.mp4", "start": None, "end": None}])
    whole, part_of, mine = questions.read(tmp_path, "mvbench")
    assert whole == Question(
        "action_antonym/0", "ssv2_video/1.webm", "Why?", "y", "action_antonym", ("x", "y")
    )
    assert part_of.span_s == (1.5, 4.0) and part_of.kind == "action_sequence"
    assert part_of.video == "star/Charades_v1_480/AB1CD.mp4"
    assert mine.video == "clips/a.mp4" and mine.span_s is None
    assert questions.read(tmp_path / "action_antonym.json", "mvbench") == [whole]


def test_mvbench_sources_of_the_same_names_are_told_apart(tmp_path: Path) -> None:
    asked = {"video": "video_10.mp4", "question": "Why?", "candidates": ["x", "y"], "answer": "y"}
    write(tmp_path / "action_count.json", [asked])
    write(tmp_path / "moving_count.json", [asked])
    ids = ["data/clevrer/video_validation/video_10", "data/perception/videos/video_10"]
    found = questions.matched(questions.read(tmp_path, "mvbench"), ids)
    assert found == {"action_count/0": ids[1], "moving_count/0": ids[0]}


def test_mvbench_clips_that_are_cut_already_are_asked_about_whole(tmp_path: Path) -> None:
    asked = {"question": "Why?", "candidates": ["x", "y"], "answer": "y"}
    named = {**asked, "video": "AB1CD.mp4", "start": 1.2999999999999998, "end": 4}
    write(tmp_path / "action_sequence.json", [named, {**named, "end": 5.0}])
    pictures = {**asked, "video": "show_s01e02_seg02_clip_01", "start": 1.0, "end": 2.5}
    write(tmp_path / "episodic_reasoning.json", [pictures])
    read = questions.read(tmp_path, "mvbench")
    ids = ["star/Charades_segment/AB1CD_1.2999999999999998_4.0", "sta/AB1CD"]
    ids.append("tvqa/video_fps3_hq_segment/show_s01e02_seg02_clip_01_1.0_2.5")
    cut, not_cut, episode = questions.cut(read, ids)
    assert cut.span_s is None and episode.span_s is None
    assert not_cut == read[1] and not_cut.span_s == (1.2999999999999998, 5.0)
    assert list(questions.matched([cut, not_cut, episode], ids).values()) == ids
    assert list(questions.matched(questions.cut(read, ids[1:2]), ids[1:2])) == [
        "action_sequence/0",
        "action_sequence/1",
    ]
    path = write(tmp_path / "mine.json", [{**named, "video": "AB1CD_1.2999999999999998_4.mp4"}])
    (by_clip,) = questions.read(path, "mvbench")
    assert by_clip.span_s is None and not by_clip.clips


def test_activitynet_qa_joins_questions_and_answers(tmp_path: Path) -> None:
    name = "v_-abCDefGHij_3"
    asked = {"video_name": "-abCDefGHij", "question": "is she indoors ", "question_id": name}
    answer = {"answer": "yes", "type": 3, "question_id": name}
    write(tmp_path / "val_q.json", [asked, {**asked, "question_id": "v_-abCDefGHij_1"}])
    moves = {"answer": "run", "type": 0, "question_id": "v_-abCDefGHij_1"}
    write(tmp_path / "val_a.json", [moves, answer])
    found, motion = questions.read(tmp_path / "val_q.json", "activitynet_qa")
    also = ("-abCDefGHij",)
    assert found == Question(
        name, "v_-abCDefGHij", "is she indoors ", "yes", "yes/no", (), None, "free", "exact", also
    )
    assert (motion.kind, motion.group, motion.answer) == ("motion", "", "run")
    assert questions.matched([found], ["test/v_-abCDefGHij"]) == {name: "test/v_-abCDefGHij"}
    assert questions.matched([found], ["test/-abCDefGHij"]) == {name: "test/-abCDefGHij"}
    write(tmp_path / "val_a.json", [answer, {**moves, "type": 9}])
    with pytest.raises(QuestionError, match="entry 2: type is 9; wanted 0 to 8"):
        questions.read(tmp_path / "val_q.json", "activitynet_qa")
    write(tmp_path / "val_a.json", [])
    with pytest.raises(
        QuestionError, match=r"entry 1: question v_-abCDefGHij_3 has no answer in .*val_a\.json"
    ):
        questions.read(tmp_path / "val_q.json", "activitynet_qa")
    with pytest.raises(QuestionError, match=r"such as test_q\.json"):
        questions.read(tmp_path / "val_a.json", "activitynet_qa")


def test_msrvtt_qa_and_msvd_qa_call_videos_by_number(tmp_path: Path) -> None:
    entry = {"id": 3, "video_id": 1201, "question": "who is singing?", "answer": "child"}
    path = write(tmp_path / "test_qa.json", [{**entry, "category_id": 4}])
    assert questions.read(path, "msrvtt_qa") == [
        Question("3", "video1201", "who is singing?", "child", "who", same="exact")
    ]
    (alone,) = questions.read(write(tmp_path / "test_qa.json", [entry]), "msvd_qa")
    assert (alone.video, alone.also, alone.same) == ("vid1201", (), "exact")
    write(tmp_path / "youtube_mapping.txt", "-4abPCjDBc_5_15 vid1\nabc_1_2 vid1201\n")
    (found,) = questions.read(path, "msvd_qa")
    assert questions.matched([found], ["vid1201", "vid1"]) == {"3": "vid1201"}
    assert questions.matched([found], ["YouTubeClips/abc_1_2"]) == {"3": "YouTubeClips/abc_1_2"}
    write(tmp_path / "youtube_mapping.txt", "vid1\n")
    with pytest.raises(QuestionError, match=r"mapping\.txt: wanted two names a line"):
        questions.read(path, "msvd_qa")


def test_msrvtt_qa_and_msvd_qa_are_read_in_activitynet_qas_form(tmp_path: Path) -> None:
    asked = {"video_name": "video7", "question_id": "v_video7_0", "question": "what is cut?"}
    path = write(tmp_path / "test_q.json", [asked])
    write(tmp_path / "test_a.json", [{"answer": "rope", "type": 3, "question_id": "v_video7_0"}])
    assert questions.read(path, "msrvtt_qa") == [
        Question("v_video7_0", "video7", "what is cut?", "rope", "what", same="exact")
    ]
    write(path, [{**asked, "video_name": "video_a-b_55_65"}])
    write(tmp_path / "youtube_mapping.txt", "video_a-b_55_65 vid7\n")
    (found,) = questions.read(path, "msvd_qa")
    assert (found.video, found.also) == ("video_a-b_55_65", ("vid7",))


def test_q_bench_video(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    common = {"video_name": "a.mp4", "question": "Is it sharp?", "context": "Technical"}
    chosen = {**common, "question_type": "yes-or-no", "answers": ["Yes", "No"]}
    written = {**common, "question_type": ["open_ended"], "correct_ans": "Blur."}
    unknown = {**common, "question_type": "open_ended"}
    pair = {**chosen, "video_name": "a.mp4_cat_b.mp4.mp4", "context": "Compare-Fine"}
    path = write(
        tmp_path / "dev.json",
        [{**chosen, "correct_choice": "B"}, unknown, written, {**pair, "correct_choice": "A"}],
    )
    with caplog.at_level(logging.WARNING):
        first, second, both = questions.read(path, "q_bench_video")
    assert "1 open questions have no correct_ans" in caplog.text
    assert first == Question("0", "a.mp4", "Is it sharp?", "No", "yes-or-no", ("Yes", "No"))
    assert second == Question("2", "a.mp4", "Is it sharp?", "Blur.", "open_ended")
    assert both.id not in questions.matched([first, both], ["video/a", "video/b"])


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
        ("all/x/b.mp4", "x/b"),
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
    with pytest.raises(QuestionError, match="name of 2 videos"):
        questions.finder(["p/x/b", "q/x/b", "y/b"])("x/b.mp4")
