"""MVBench: a JSON file per task, each a list of `video`, `question`, `candidates`, `answer`.

A kind of question is a task, which is the file's name. `answer` is the text of one of the
candidates. Each source of videos has a folder of its own, and two, clevrer and perception, number
theirs alike (video_10.mp4): videos are told apart by folders, so one data set should hold them all.

Five tasks (action_sequence, action_prediction, object_interaction, action_localization,
episodic_reasoning) are about a part of their video and add `start` and `end` in seconds. The later
layout of the download has these parts cut, as `VIDEO_START_END.mp4`: such a clip is asked about if
there is one, all of it. `episodic_reasoning` has folders of pictures in the first layout; they are
no videos here, and its questions are left out and counted, unless there are cut clips.

Source: Li et al., arXiv:2311.17005; github.com/OpenGVLab/Ask-Anything, video_chat2/mvbench.ipynb
(fields, folders, the right option's letter counts), and issue 127 there, which shows two entries
(they have `accurate_start` and `accurate_end`, too, which the authors do not use);
github.com/EvolvingLMMs-Lab/lmms-eval, lmms_eval/tasks/mvbench/utils.py (the later folders). The
JSON files themselves were not seen.
"""

from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from llm_head.video_questions import Question
from pipeline.questions import each, entries

FOLDERS = {
    "action_antonym": "ssv2_video",
    "action_count": "perception/videos",
    "action_localization": "sta/sta_video",
    "action_prediction": "star/Charades_v1_480",
    "action_sequence": "star/Charades_v1_480",
    "character_order": "perception/videos",
    "counterfactual_inference": "clevrer/video_validation",
    "egocentric_navigation": "vlnqa",
    "episodic_reasoning": "tvqa/frames_fps3_hq",
    "fine_grained_action": "Moments_in_Time_Raw/videos",
    "fine_grained_pose": "nturgbd",
    "moving_attribute": "clevrer/video_validation",
    "moving_count": "clevrer/video_validation",
    "moving_direction": "clevrer/video_validation",
    "object_existence": "clevrer/video_validation",
    "object_interaction": "star/Charades_v1_480",
    "object_shuffle": "perception/videos",
    "scene_transition": "scene_qa/video",
    "state_change": "perception/videos",
    "unexpected_action": "FunQA_test/test",
}


def read(path: Path) -> list[Question]:
    """Read one task's file, or all of a folder."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    questions: list[Question] = []
    for file in files:
        questions += each(file, entries(file), partial(_question, file.stem))
    return questions


def _question(task: str, number: int, entry: dict[str, Any]) -> Question:
    video = PurePosixPath(FOLDERS.get(task, ""), str(entry["video"]))
    span = None
    clips: tuple[str, ...] = ()
    if entry.get("start") is not None and entry.get("end") is not None:
        span = (float(entry["start"]), float(entry["end"]))
        ends = [f"_{entry['start']}_{entry['end']}", f"_{span[0]}_{span[1]}"]
        if video.stem.endswith(tuple(ends)):
            span = None  # the file is the part
        else:
            clips = tuple(dict.fromkeys(f"{video.parent / video.stem}{end}.mp4" for end in ends))
    return Question(
        id=f"{task}/{number}",
        video=str(video),
        text=str(entry["question"]),
        answer=str(entry["answer"]),
        kind=task,
        choices=tuple(str(text) for text in entry["candidates"]),
        span_s=span,
        clips=clips,
    )
