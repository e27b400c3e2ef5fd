"""The impairments of the streaming ladder: what FFmpeg does to a clean shot, and how strongly.

Strengths are given as a level from 0 (hardly visible) to 1 (very bad).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Literal

from llm_head.questions import SEVERITIES

# What is made in the picture is stored so well that storing adds nothing to it.
CLEAN = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "10")


@dataclass(frozen=True)
class Pass:
    """One run of FFmpeg: a chain of filters and the codec's arguments."""

    filters: str
    codec: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """How a clip is made from its reference: one or more passes, the last into the clip.

    Attributes:
        passes: in order; each reads what the one before wrote.
        suffix: of the clip's file; those between are .mp4.
        codec: for the table.
        strength: for the table, e.g. `crf 33`.
    """

    passes: tuple[Pass, ...]
    suffix: str
    codec: str
    strength: str


@dataclass(frozen=True)
class Picture:
    """Size and timing of a shot: width and height in pixels, frames per second, frame count."""

    width: int
    height: int
    fps: Fraction
    frames: int


@dataclass(frozen=True)
class Codec:
    """A codec with a quality scale.

    Attributes:
        name: for the table.
        arguments: FFmpeg's; `{}` stands for the value.
        scale: for the table: what the value is called.
        mild: value at level 0.
        severe: value at level 1.
        suffix: of the container.
    """

    name: str
    arguments: str
    scale: str
    mild: float
    severe: float
    suffix: str


@dataclass(frozen=True)
class Ladder:
    """The impairments of one data set.

    Attributes:
        clean: of the untouched clip.
        codecs: for compression, in turn; one may have several turns.
        rung: of the small picture that is scaled up.
        scalers: of upscaling: the one on the way down, the one on the way up.
        pixels: impairments of single pictures, besides compression and upscaling.
        times: impairments of the motion.
        blur: its kernel; the box is nearer to a lens out of focus.
    """

    clean: Codec
    codecs: tuple[Codec, ...]
    rung: Codec
    scalers: tuple[str, str]
    pixels: tuple[str, ...]
    times: tuple[str, ...]
    blur: Literal["gaussian", "box"]


_X265_FAST = "-preset fast -x265-params pools=none:frame-threads=1:log-level=error -tag:v hvc1"
_AV1_FAST = "-preset 10 -svtav1-params lp=1"
_VP8 = "-deadline good -cpu-used 4 -b:v 50M -crf {0} -qmin {0} -qmax {0}"
_X264 = Codec("x264", "-c:v libx264 -preset fast -crf {}", "crf", 28, 51, ".mp4")
_X265 = Codec("x265", f"-c:v libx265 {_X265_FAST} -crf {{}}", "crf", 29, 51, ".mp4")
_VP9 = Codec("vp9", "-c:v libvpx-vp9 -cpu-used 5 -b:v 0 -crf {}", "crf", 48, 63, ".webm")
_AV1 = Codec("av1", f"-c:v libsvtav1 {_AV1_FAST} -crf {{}}", "crf", 52, 63, ".mp4")
STREAMING = Ladder(
    clean=Codec("x264", " ".join(CLEAN), "", 0, 0, ".mp4"),
    # at small sizes VP9 and AV1 cannot be made really bad, so the others have two turns
    codecs=(_X264, _X265, _VP9, _X264, _X265, _AV1),
    rung=Codec("x264", "-c:v libx264 -preset fast -crf {}", "crf", 20, 36, ".mp4"),
    scalers=("bicubic", "bicubic"),
    pixels=("blur", "noise"),
    times=("freeze", "low_frame_rate"),
    blur="gaussian",
)
WILD = Ladder(
    clean=Codec("mjpeg", "-c:v mjpeg -q:v 2", "", 0, 0, ".avi"),
    codecs=(
        Codec("mpeg2", "-c:v mpeg2video -q:v {}", "q", 6, 31, ".mpg"),
        Codec("mpeg4", "-c:v mpeg4 -q:v {}", "q", 5, 31, ".avi"),
        Codec("vp8", f"-c:v libvpx {_VP8}", "q", 30, 63, ".webm"),
        Codec("flv1", "-c:v flv -q:v {}", "q", 5, 31, ".flv"),
        Codec("wmv2", "-c:v wmv2 -q:v {}", "q", 5, 31, ".wmv"),
        Codec("mjpeg", "-c:v mjpeg -q:v {}", "q", 8, 31, ".avi"),
    ),
    rung=Codec("mpeg4", "-c:v mpeg4 -q:v {}", "q", 3, 10, ".mp4"),
    scalers=("lanczos", "bilinear"),
    pixels=("blur",),
    times=("freeze",),
    blur="box",
)


def severity(share: float) -> str:
    """Return a third of the scale: of the quality that an impairment costs, or of its level, 0-1.

    >>> severity(0.3), severity(0.5), severity(1.0)
    ('slight', 'moderate', 'strong')
    """
    names = tuple(SEVERITIES)
    return names[min(int(share * len(names)), len(names) - 1)]


def none(ladder: Ladder) -> Recipe:
    """Return the untouched clip, so well encoded that nobody sees it."""
    clean = ladder.clean
    return Recipe((Pass("", tuple(clean.arguments.split())),), clean.suffix, clean.name, "")


def compression(codec: Codec, level: float) -> Recipe:
    """Return a clip with too few bits."""
    arguments, strength = _at(codec, level)
    return Recipe((Pass("", arguments),), codec.suffix, codec.name, strength)


def upscaling(ladder: Ladder, picture: Picture, level: float, rung_level: float) -> Recipe:
    """Return a low rung of the ladder: scaled down by 2 to 4, encoded, scaled up by the player."""
    factor = 2 + 2 * level
    width, height = (2 * round(side / factor / 2) for side in (picture.width, picture.height))
    down, up = ladder.scalers
    arguments, strength = _at(ladder.rung, rung_level)
    rung = Pass(f"scale={width}:{height}:flags={down}", arguments)
    back = Pass(f"scale={picture.width}:{picture.height}:flags={up}", CLEAN)
    return Recipe((rung, back), ".mp4", ladder.rung.name, f"{width}x{height} {strength}")


def blur(ladder: Ladder, picture: Picture, level: float) -> Recipe:
    """Return a clip out of focus, to the same degree whatever the size of the picture."""
    sigma_px = 0.6 * (2.8 / 0.6) ** level * picture.width / 480
    if ladder.blur == "gaussian":
        filters, strength = f"gblur=sigma={sigma_px:.2f}", f"sigma {sigma_px:.2f} px"
    else:
        times = max(1, round(1.5 * sigma_px**2))  # a box of three pixels has a variance of 2/3
        filters, strength = f"boxblur=lr=1:lp={times}", f"box 3 px x{times}"
    return Recipe((Pass(filters, CLEAN),), ".mp4", "x264", strength)


def noise(level: float, seed: int) -> Recipe:
    """Return a clip with grain that differs in each frame, less of it in colour."""
    luma = round(10 * (70 / 10) ** level)
    planes = f"c0s={luma}:c0f=t:c1s={luma // 2}:c1f=t:c2s={luma // 2}:c2f=t"
    filters = Pass(f"noise=all_seed={seed % 100_000}:{planes}", CLEAN)
    return Recipe((filters,), ".mp4", "x264", f"strength {luma}")


def freeze(picture: Picture, level: float, start: Callable[[int], int]) -> Recipe:
    """Return a clip whose picture stands still for a part of each second, then jumps.

    See `freeze_map`.
    """
    hold_s = 0.4 + 0.3 * level
    order = freeze_map(picture.frames, picture.fps, hold_s, start)
    return Recipe((_reorder(order),), ".mp4", "x264", f"{hold_s:.2f} s of each second")


def low_frame_rate(picture: Picture, level: float) -> Recipe:
    """Return a clip of which one frame in three to six is shown, each so much longer."""
    step = round(3 + 3 * level)
    order = [i - i % step for i in range(picture.frames)]
    return Recipe((_reorder(order),), ".mp4", "x264", f"1 frame of {step}")


def freeze_map(frames: int, fps: Fraction, hold_s: float, start: Callable[[int], int]) -> list[int]:
    """Return for each frame the number of the frame that is shown in its place.

    The first frame of each second stays what it was, so a key frame per second cannot tell; and
    the last one too, so that each second jumps back into time.

    Args:
        frames: of the clip, >= 1.
        fps: frames per second.
        hold_s: how long the picture stands still within each second.
        start: given a count n, picks one of 0..n-1: where in the second the picture stops.
    """
    order = list(range(frames))
    for second in range(ceil(frames / fps)):
        begin, end = ceil(second * fps), min(ceil((second + 1) * fps), frames)
        held = round(hold_s * fps)  # frames that repeat the one before
        room = end - begin - held - 1  # the frame that is held, and the last one, are themselves
        if room < 1:  # a last second too short to hold anything
            continue
        stop = begin + start(room)
        for i in range(stop + 1, stop + held + 1):
            order[i] = stop
    return order


def _reorder(order: Sequence[int]) -> Pass:
    """Return the pass that shows frame order[i] at the time of frame i."""
    return Pass("shuffleframes=" + "|".join(map(str, order)), CLEAN)


def _at(codec: Codec, level: float) -> tuple[tuple[str, ...], str]:
    """Return a codec's arguments at a level, and what the table says of them."""
    value = round(codec.mild + (codec.severe - codec.mild) * level)
    return tuple(codec.arguments.format(value).split()), f"{codec.scale} {value}"
