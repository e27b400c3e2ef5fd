"""MSVD-QA: a JSON list of `id`, `video_id` (1200 for vid1200), `question`, `answer`.

If `youtube_mapping.txt` lies beside the file (lines `-4wsuPCjDBc_5_15 vid1`), videos are called as
MSVD calls its clips, else vid1200. Kinds and answers are those of `msrvtt_qa`.

Source: Xu et al., ACM MM 2017; github.com/xudejing/video-question-answering (the files);
github.com/salesforce/LAVIS, dataset_card/msvd_qa.md (accuracy).
"""

from dataclasses import replace
from pathlib import Path

from llm_head.video_questions import Question, QuestionError
from pipeline.questions import msrvtt_qa

MAPPING = "youtube_mapping.txt"


def read(path: Path) -> list[Question]:
    """Read a file such as test_qa.json."""
    clips = {}
    if path.with_name(MAPPING).is_file():
        lines = path.with_name(MAPPING).read_text(encoding="utf-8").splitlines()
        pairs = [line.split() for line in lines if line.strip()]
        if wrong := [pair for pair in pairs if len(pair) != 2]:
            raise QuestionError(
                f"{path.with_name(MAPPING)}: wanted two names a line, found {wrong[0]}"
            )
        clips = {name: clip for clip, name in pairs}
    questions = []
    for question in msrvtt_qa.read(path):
        name = question.video.replace("video", "vid", 1)
        questions.append(replace(question, video=clips.get(name, name)))
    return questions
