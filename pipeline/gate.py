"""A lower limit for scores, so that scoring can stand in a transcoding job."""

from collections.abc import Mapping
from typing import Any

from llm_head.reason import clock


def below(row: Mapping[str, Any], least: float | None, least_second: float | None) -> list[str]:
    """Return why a video does not pass, a line each; empty: it passes.

    Args:
        row: of `Scored.row`; its numbers are compared as they are shown.
        least: the score must not be lower.
        least_second: nor that of any second of the timeline.

    >>> row = {"video": "a.mp4", "score": 55.0, "timeline": [{"start_s": 3.0, "score": 31.25}]}
    >>> below(row, least=60, least_second=40)
    ['a.mp4: score 55.0 is below 60', 'a.mp4: second 3 (from 0:03): 31.2 is below 40']
    """
    name, found = row["video"], []
    if least is not None and row["score"] < least:
        found.append(f"{name}: score {row['score']:.1f} is below {least:g}")
    for second in row["timeline"] if least_second is not None else ():
        if second["score"] < least_second:
            found.append(
                f"{name}: second {second['start_s']:g} (from {clock(second['start_s'])}): "
                f"{second['score']:.1f} is below {least_second:g}"
            )
    return found
