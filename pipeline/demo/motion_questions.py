"""What is asked about clips of known motion: conversations to learn from, questions to be tested.

Both are in published formats, so that they go the way of other people's files: conversations as
LLaVA has them, questions as MVBench has them, one file per kind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_head.instruct import VIDEO
from pipeline.demo.motion import Clip


@dataclass(frozen=True)
class Kind:
    """One kind of question.

    Attributes:
        wordings: to learn from; the tests ask the first.
        answers: by what is true of a clip.
    """

    wordings: tuple[str, ...]
    answers: Mapping[str, str]


KINDS = {
    "camera": Kind(
        (
            "How does the camera move?",
            "Which way does the camera go?",
            "What does the camera do in this video?",
            "Describe the movement of the camera.",
        ),
        {
            "left": "It pans left.",
            "right": "It pans right.",
            "up": "It tilts up.",
            "down": "It tilts down.",
            "in": "It zooms in.",
            "out": "It zooms out.",
            "still": "It stands still.",
        },
    ),
    "freeze": Kind(
        (
            "Does the video freeze?",
            "Does the picture get stuck for a moment?",
            "Is the playback interrupted?",
            "Does the video stop and then jump?",
        ),
        {"yes": "It freezes.", "no": "It runs on."},
    ),
    "medium": Kind(
        (
            "Is this a photograph or an animated film?",
            "Was the picture photographed or animated?",
            "Is this real, or is it animation?",
            "What kind of picture is this, a photograph or animation?",
        ),
        {"photo": "It is a photograph.", "animation": "It is an animated film."},
    ),
    "light": Kind(
        (
            "Is the picture dark or bright?",
            "How bright is this video?",
            "Is this a bright scene or a dark one?",
            "What can you say about the light?",
        ),
        {"dark": "The picture is dark.", "bright": "The picture is bright."},
    ),
}
DARK, BRIGHT = 90.0, 130.0  # mean luma of a picture, 0-255; between them nobody is asked


def truths(clip: Clip, luma: float) -> dict[str, str]:
    """Return the true answer to each kind of question that a clip has one for.

    Args:
        luma: mean of its picture, 0-255.
    """
    found = {"camera": clip.move, "medium": "photo" if clip.still.at_s is None else "animation"}
    if clip.move != "still":  # nobody can see a still picture stand still
        found["freeze"] = "yes" if clip.frozen else "no"
    if not DARK <= luma <= BRIGHT:
        found["light"] = "dark" if luma < DARK else "bright"
    return found


def conversations(
    clips: Sequence[Clip], files: Mapping[str, str], luma: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Return LLaVA records of the clips to learn from, and of those to choose the epoch by.

    Args:
        files: by clip, relative to the data set's folder.
        luma: by clip.
    """
    records = []
    for number, clip in enumerate(clips):
        if clip.split == "test":
            continue
        for kind, truth in truths(clip, luma[clip.name]).items():
            wordings = KINDS[kind].wordings if clip.split == "train" else KINDS[kind].wordings[:1]
            asked = wordings[number % len(wordings)]
            records.append(
                {
                    "id": f"{clip.name}/{kind}",
                    "video": files[clip.name],
                    "task": kind,
                    "conversations": [
                        {"from": "human", "value": f"{VIDEO}\n{asked}"},
                        {"from": "gpt", "value": KINDS[kind].answers[truth]},
                    ],
                    "choices": list(KINDS[kind].answers.values()),
                }
            )
    return records


def questions(
    clips: Sequence[Clip], files: Mapping[str, str], luma: Mapping[str, float]
) -> dict[str, list[dict[str, Any]]]:
    """Return MVBench's records of the clips that are tested on, by kind of question."""
    return {
        name: [
            {
                "video": files[clip.name],
                "question": kind.wordings[0],
                "candidates": list(kind.answers.values()),
                "answer": kind.answers[truth],
            }
            for clip in clips
            if clip.split == "test" and (truth := truths(clip, luma[clip.name]).get(name))
        ]
        for name, kind in KINDS.items()
    }
