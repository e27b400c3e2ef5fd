"""Why a video has its score, in words: nothing but what the model has answered about it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from llm_head import questions

if TYPE_CHECKING:  # they load transformers, and the report wants nothing but `clock`
    from llm_head.readout import Answer
    from llm_head.timeline import Second

SURE, LIKELY = 0.8, 0.5  # probabilities among the answers that a task knows


def reason(
    answer: "Answer",
    seconds: "Sequence[Second]" = (),
    stretch: range | None = None,
    there: "Answer | None" = None,
) -> str:
    """Return a video's answers as sentences; "" if the head was taught to answer none of them.

    Args:
        answer: about the whole video.
        seconds: its timeline, if there is one.
        stretch: `timeline.worst` of it.
        there: the answers about that stretch alone.
    """
    seen = _seen(answer)
    sentences = [f"{seen[0].upper()}{seen[1:]}."] if seen else []
    if stretch is not None and there is not None:
        what = f"; there {_seen(there)}" if seen else ""
        sentences.append(f"{_where(seconds, stretch)}{what}.")
    elif len(seconds) > 1:
        scores = [second.score for second in seconds]
        sentences.append(
            f"No second stands out: they score {min(scores):.0f} to {max(scores):.0f}."
        )
    return " ".join(sentences)


def clock(at_s: float) -> str:
    """Return a time as on a player.

    >>> clock(75.0), clock(3600.0)
    ('1:15', '1:00:00')
    """
    minutes, seconds = divmod(int(at_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _seen(answer: "Answer") -> str:
    parts = []
    if answer.impairment is not None and answer.impairment_prob is not None:
        name = questions.IMPAIRMENTS[answer.impairment]
        what = "no impairment" if answer.impairment == "none" else f"impaired by {name}"
        parts.append(f"{_hedge(answer.impairment_prob)} {what} ({answer.impairment_prob:.0%})")
    if answer.severity is not None and answer.severity_prob is not None:
        how = questions.SEVERITIES[answer.severity]
        parts.append(f"{_hedge(answer.severity_prob)} {how} ({answer.severity_prob:.0%})")
    if answer.motion is not None and answer.motion_prob is not None:
        parts.append(
            f"motion {_hedge(answer.motion_prob)} {answer.motion} ({answer.motion_prob:.0%})"
        )
    return ", ".join(parts)


def _hedge(probability: float) -> str:
    return "clearly" if probability >= SURE else "probably" if probability >= LIKELY else "perhaps"


def _where(seconds: "Sequence[Second]", stretch: range) -> str:
    lowest = min(seconds[i].score for i in stretch)
    others = [second.score for i, second in enumerate(seconds) if i not in stretch]
    begin, end = seconds[stretch.start].start_s, seconds[stretch.stop - 1].start_s + 1
    return (
        f"Worst from {clock(begin)} to {clock(end)}, at {lowest:.0f} where the median of the other "
        f"seconds is {np.median(others):.0f}"
    )
