"""MSVD-QA: a JSON list of `id`, `video_id` (1200 for vid1200.avi), `question`, `answer`.

The authors call files vid1200.avi; MSVD calls its clips by YouTube's name and seconds. If
`youtube_mapping.txt` lies beside the file (lines `abcdefghijk_5_15 vid1`), a clip is found by
either name. Both forms of the file, kinds and when an answer is right are those of `msrvtt_qa`.

Source: Xu et al., ACM MM 2017; github.com/xudejing/video-question-answering, preprocess_msvdqa.py
(names of files, answers) and run_gra.py (right); github.com/antoyang/just-ask,
preproc/preproc_msvdqa.py (fields). Checked against published files: the mapping, in
github.com/yaoli/arctic-capgen-vid, youtube_mapping.txt; five questions of the second form, in
github.com/huxiaoge2022/TGB_huxiaoge, eval/GPT_Zero_Shot_QA/MSVD_Zero_Shot_QA/test_q.json and
test_a.json. `test_qa.json` was not seen.
"""

from dataclasses import replace
from pathlib import Path

from llm_head.video_questions import Question, QuestionError
from pipeline.questions import msrvtt_qa

MAPPING = "youtube_mapping.txt"


def read(path: Path) -> list[Question]:
    """Read a file such as test_qa.json, or test_q.json with test_a.json beside it."""
    other = _other_names(path.with_name(MAPPING))
    return [
        replace(question, also=(other[question.video],)) if question.video in other else question
        for question in msrvtt_qa.read(path, prefix="vid")
    ]


def _other_names(mapping: Path) -> dict[str, str]:
    if not mapping.is_file():
        return {}
    lines = mapping.read_text(encoding="utf-8").splitlines()
    pairs = [line.split() for line in lines if line.strip()]
    if wrong := [pair for pair in pairs if len(pair) != 2]:
        raise QuestionError(f"{mapping}: wanted two names a line, found {wrong[0]}")
    return dict(pairs) | {name: clip for clip, name in pairs}
