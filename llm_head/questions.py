"""Questions and answers: several wordings per task to train on, one to ask with.

The wordings are this project's own. The first of each task is the canonical one, which validation
and read-out use, so that the same video always gets the same score. They are short because every
token of a question is paid for in each training step.
"""

import re
from collections.abc import Mapping
from typing import Literal, get_args

from llm_head.levels import LEVELS

Task = Literal["score", "level", "impairment", "severity", "motion", "compare"]
TASKS: tuple[Task, ...] = get_args(Task)

QUESTIONS: dict[Task, tuple[str, ...]] = {
    "score": (
        "What is the quality score?",
        "Score the quality of this video.",
        "Rate this clip from 0 to 100.",
        "How many points does the quality deserve?",
        "What is its score?",
        "Give this video a quality score.",
        "What number would viewers give it?",
        "Please put a number on the quality.",
        "Predict the mean opinion score.",
        "How would an average viewer score this?",
        "Tell me the quality as a number.",
        "If 100 is flawless, what is this worth?",
        "Estimate the viewing quality in points.",
        "Your quality score, please.",
        "Which score fits this video best?",
        "Judge the visual quality with a number.",
        "Assess this footage and answer with a score.",
        "What mark would you give this footage?",
        "Express the perceived quality as a value.",
        "How good is this in points?",
        "Quality score?",
    ),
    "level": (
        "How good is the quality of this video?",
        "Rate the quality of this video.",
        "What is the quality level of this clip?",
        "Is the quality bad, poor, fair, good or excellent?",
        "Describe the visual quality in one word.",
        "How would viewers rate this video?",
        "Which quality level fits this video?",
        "How does this video look to you?",
        "Judge the picture quality of this clip.",
        "What would people say about the quality here?",
        "Please name the quality level.",
        "Grade this footage from bad to excellent.",
        "Which word describes the quality best: bad, poor, fair, good, excellent?",
        "How pleasant is this video to watch?",
        "Give your opinion on the quality of the clip.",
        "In what class of quality does this video fall?",
        "What do you think of the quality of these pictures?",
        "Sum up the viewing quality in a word.",
        "Where does this clip lie between bad and excellent?",
        "Assess how well this video holds up visually.",
        "Is this a good video, technically speaking?",
    ),
    "impairment": (
        "What impairs this video?",
        "Which impairment do you see?",
        "What is wrong with this video?",
        "Name the distortion in this clip.",
        "Does anything disturb the picture, and what?",
        "What kind of degradation is visible?",
        "What has damaged the quality of this video?",
        "Which technical fault does this clip have?",
        "Why might a viewer complain about this video?",
        "Find the main artefact in this video.",
        "What type of distortion affects this footage?",
        "Is the video impaired, and if so by what?",
        "Identify what went wrong in the processing of this clip.",
        "What was done to this video that hurts it?",
        "Which problem lowers the quality here?",
        "Say which artefact dominates.",
        "What should be fixed in this video?",
        "Tell me the impairment, if there is one.",
        "How was this video degraded?",
        "Diagnose this clip.",
        "What is the visible defect of these pictures?",
    ),
    "severity": (
        "How severe is the impairment?",
        "How badly is this video impaired?",
        "Is the impairment slight, moderate or strong?",
        "How strong is the distortion?",
        "Say how much the fault disturbs.",
        "How visible is the degradation?",
        "To what degree was this video degraded?",
        "Grade the strength of the artefact.",
        "How far did the processing go?",
        "How much damage was done to this clip?",
        "Is it a small fault or a large one?",
        "How heavy is the distortion in this clip?",
        "What is the strength of the impairment?",
        "How serious is the problem in this video?",
        "How pronounced is the defect?",
        "Estimate the severity of the degradation.",
        "Would you call the impairment slight or strong?",
        "How intense is the artefact?",
        "Rate the severity of the fault.",
        "How much was this footage harmed?",
        "Severity of the impairment?",
    ),
    "motion": (
        "How does the motion look?",
        "Is the motion smooth or frozen?",
        "Does the picture keep moving?",
        "Is there a freeze in this video?",
        "How fluent is the movement?",
        "Does the clip play without stopping?",
        "Describe the motion in one word.",
        "Do the frames stall at any point?",
        "Is playback fluid here?",
        "What can you say about the movement in this clip?",
        "Did the video get stuck?",
        "Does the action run on or stand still?",
        "Rate how steadily the motion proceeds.",
        "Is the picture stuck for a while?",
        "Look at the movement: smooth or frozen?",
        "Would a viewer notice that the video stops?",
        "Does time seem to stop in this clip?",
        "How well does the video flow?",
        "Do things move as they should?",
        "Check the motion of this footage.",
        "Has the player frozen?",
    ),
    "compare": (
        "Which video is better?",
        "Which of the two has the better quality?",
        "Compare the two videos.",
        "Which one would viewers prefer?",
        "Is the first or the second better?",
        "Name the better of the two.",
        "Which clip looks better?",
        "Which of these would you rather watch?",
        "Pick the one of higher quality.",
        "Which has fewer faults?",
        "Of these two, which is the cleaner one?",
        "Tell me which video holds up better.",
        "Which would get the higher score?",
        "Which of both is less impaired?",
        "Who wins on quality, the first or the second?",
        "Choose the better clip.",
        "Between these two, which is superior?",
        "Which version would you keep?",
        "Rank the two: which comes out on top?",
        "Which one do you like better technically?",
        "Say which video is the better one.",
    ),
}

IMPAIRMENTS = {
    "none": "none",
    "compression": "compression",
    "upscaling": "upscaling",
    "blur": "blur",
    "noise": "noise",
    "freeze": "freezing",
    "low_frame_rate": "low frame rate",
}
MOTIONS = {"smooth": "smooth", "frozen": "frozen"}
# How much an impairment harms, as its data set knows it. It is told where there is an impairment.
SEVERITIES = {"slight": "slight", "moderate": "moderate", "strong": "strong"}
# the answers that these tasks have: key in a manifest, word in the answer
CLOSED: Mapping[Task, Mapping[str, str]] = {
    "impairment": IMPAIRMENTS,
    "severity": SEVERITIES,
    "motion": MOTIONS,
}
ORDER = ("first", "second")
# the words in which answers to a task differ
WORDS: dict[Task, tuple[str, ...]] = {
    "level": LEVELS,
    **{task: tuple(words.values()) for task, words in CLOSED.items()},
}

_SCORE = re.compile(r"\bis (100\.0|\d{1,2}\.\d)\.")


def canonical(task: Task) -> str:
    """Return the wording with which the model is always asked."""
    return QUESTIONS[task][0]


def level_answer(level: str) -> str:
    """Return the answer for a level: a fixed stem, then the level word.

    >>> level_answer("good")
    'The quality is good.'
    """
    if level not in LEVELS:
        raise ValueError(f"level {level!r} is none of {LEVELS}")
    return f"The quality is {level}."


def score_answer(mos: float) -> str:
    """Return the answer for a MOS of 0..100, with one decimal: 0.05 is the largest error.

    >>> score_answer(76.844)
    'The score is 76.8.'
    """
    if not 0 <= mos <= 100:
        raise ValueError(f"a MOS must lie in 0..100, got {mos}")
    return f"The score is {mos:.1f}."


def parse_score(answer: str) -> float:
    """Return the number that a score answer holds.

    Raises:
        ValueError: if the answer holds no score of 0.0 to 100.0; nothing is guessed.
    """
    found = _SCORE.search(answer)
    if found is None:
        raise ValueError(f"no score between 0.0 and 100.0 in answer {answer!r}")
    return float(found.group(1))


def closed_answer(task: Task, key: str) -> str:
    """Return the answer to a task of CLOSED that a key stands for.

    >>> closed_answer("impairment", "freeze")
    'The impairment is freezing.'
    """
    words = CLOSED[task]
    if key not in words:
        raise ValueError(f"{task} {key!r} is none of {sorted(words)}")
    return f"The {task} is {words[key]}."


def compare_answer(better: str) -> str:
    """Return the answer that names the better of two videos, first or second."""
    if better not in ORDER:
        raise ValueError(f"{better!r} is none of {ORDER}")
    return f"The better video is the {better}."


def answers(task: Task) -> list[str]:
    """Return the answers to a task that exist; of score, numbers that differ in every digit."""
    if task == "level":
        return [level_answer(level) for level in LEVELS]
    if task == "score":
        return [score_answer(mos) for mos in (5.0, 16.1, 27.2, 38.3, 49.4, 61.5, 72.6, 83.7, 94.8)]
    if task == "compare":
        return [compare_answer(name) for name in ORDER]
    return [closed_answer(task, key) for key in CLOSED[task]]
