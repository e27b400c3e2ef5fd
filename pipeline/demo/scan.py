"""Where a film cuts and how much moves in it."""

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pipeline.demo.ffmpeg import FfmpegError, ffmpeg

CUT = 0.2  # scene score (0-1) from which on a frame begins a new shot
GUARD = 1  # frames that a window keeps away from a cut
WIDTH = 320  # the measure of change depends on the size of the picture
FRAME = re.compile(r"^frame:\d+\s+pts:\S+\s+pts_time:(\S+)")
KEYS = {"lavfi.scene_score": "score", "lavfi.signalstats.YDIF": "change"}


@dataclass(frozen=True)
class Frame:
    """One decoded frame.

    Attributes:
        time_s: when it is shown, from the start of the file.
        score: FFmpeg's scene score, 0-1; high where the film cuts.
        change: mean absolute difference of its luma to the frame before, 0-255.
    """

    time_s: float
    score: float
    change: float


@dataclass(frozen=True)
class Window:
    """A piece of a film inside one shot.

    Attributes:
        shot: number of the shot within the film.
        place: number of the window within the shot.
        start_s: time of its first frame.
        change: median change from frame to frame, see Frame.
    """

    shot: int
    place: int
    start_s: float
    change: float


def scan(path: Path, start_s: float, end_s: float) -> list[Frame]:
    """Return the frames of a stretch of film.

    Raises:
        FfmpegError: the file cannot be read or has no frame there.
    """
    filters = f"scale={WIDTH}:-2,select='gte(scene,0)',signalstats,metadata=print:file=-"
    out, _ = ffmpeg(
        [
            *("-ss", str(start_s), "-t", str(end_s - start_s), "-i", str(path), "-map", "0:v:0"),
            *("-vf", filters, "-fps_mode", "passthrough", "-f", "null", "-"),
        ]
    )
    frames: list[Frame] = []
    values: dict[str, float] = {}
    for line in out.splitlines():
        if found := FRAME.match(line):
            values = {"time_s": start_s + float(found.group(1))}
        key, _, value = line.partition("=")
        if key in KEYS:
            values[KEYS[key]] = float(value)
            if len(values) == 3:
                frames.append(Frame(**values))
    if not frames:
        raise FfmpegError(f"{path}: no frame between {start_s} s and {end_s} s")
    return frames


def windows(frames: list[Frame], length: int) -> list[Window]:
    """Return all windows of `length` frames, spread evenly over each shot.

    The ends of the stretch count as cuts.
    """
    cuts = [0, *(i for i, f in enumerate(frames) if i and f.score > CUT), len(frames)]
    found = []
    for shot, (begin, end) in enumerate(pairwise(cuts)):
        first, room = begin + GUARD, end - begin - 2 * GUARD
        count = room // length
        for place in range(count):
            at = first + math.floor((room - count * length) * (place + 1) / (count + 1))
            at += place * length
            # the change of the first frame is the one from before the window
            inside = sorted(f.change for f in frames[at + 1 : at + length])
            median = inside[len(inside) // 2] if inside else 0.0
            found.append(Window(shot, place, frames[at].time_s, median))
    return found
