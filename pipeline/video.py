"""Video files to key frames and clips, by presentation time.

Time is counted from the first frame. Chunk k is the second [k, k + 1); its key frame is the first
frame that is presented in it, and its clip is the pictures on screen at evenly spread instants. A
chunk without a frame of its own (a gap in a variable frame rate) shows the frame before it. A last
piece shorter than half a chunk is left out, unless it is all there is.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np

from pipeline.colour import Frame, rgb_shape, to_rgb
from pipeline.container import MAX_CHUNKS, VideoError, opened, stated_s
from pipeline.frames import Irregular, decoded, frame_rate, timed_frames
from pipeline.hardware import DecodeOn

log = logging.getLogger(__name__)

VERSION = 2  # raised when the same file would give other frames
CHUNK_S = 1

__all__ = ["Chunk", "Frame", "VideoError", "VideoFacts", "chunks", "first_frame", "probe"]


@dataclass(frozen=True)
class VideoFacts:
    """What the container says of its first video stream.

    Attributes:
        width: pixels, as shown (after rotation).
        height: pixels, as shown.
        fps: average frame rate, 0 if not stated.
        duration_s: stated duration, 0 if not stated.
        codec: FFmpeg's name of it.
    """

    width: int
    height: int
    fps: float
    duration_s: float
    codec: str


@dataclass(frozen=True)
class Chunk:
    """One second of video.

    Attributes:
        start_s: seconds from the first frame.
        key_frame: uint8 ``(H, W, 3)``, RGB.
        clip: uint8 ``(T, H, W, 3)``, RGB; T is 0 if no clip was asked for.
    """

    start_s: float
    key_frame: Frame
    clip: Frame


def probe(path: Path) -> VideoFacts:
    """Return what the container says, without decoding more than a frame.

    Raises:
        VideoError: if the file is no video, its frames are larger than 8192 x 8192, or it says
            that it is longer than an hour.
    """
    with opened(path) as (container, stream):
        first = next(decoded(path, container, stream))
        turned = first.rotation % 180 == 90
        duration_s = stated_s(container, stream)
        if duration_s is None and stream.duration is not None and stream.time_base is not None:
            duration_s = float(stream.duration * stream.time_base)
        elif duration_s is None:
            duration_s = (container.duration or 0) / av.time_base
        return VideoFacts(
            width=first.height if turned else first.width,
            height=first.width if turned else first.height,
            fps=round(float(frame_rate(stream)), 4),
            duration_s=round(max(duration_s, 0.0), 4),
            codec=stream.codec_context.codec.canonical_name,
        )


def first_frame(path: Path) -> Frame:
    """Return the first frame, uint8 ``(H, W, 3)`` RGB.

    Raises:
        VideoError: if there is none.
    """
    _, frame, _ = next(timed_frames(path))
    return to_rgb(frame)


# takes the shapes of a key frame and of a clip, returns arrays for them
Room = Callable[[tuple[int, ...], tuple[int, ...]], tuple[Frame, Frame]]


def new_room(key_frame: tuple[int, ...], clip: tuple[int, ...]) -> tuple[Frame, Frame]:
    """Return new arrays of these shapes."""
    return np.empty(key_frame, np.uint8), np.empty(clip, np.uint8)


def chunks(
    path: Path, clip_frames: int, on: DecodeOn = "cpu", room: Room = new_room
) -> Iterator[Chunk]:
    """Decode a video once and yield its chunks in order; memory does not grow with its length.

    Args:
        path: of the video file.
        clip_frames: T, instants per chunk, spread evenly; 0: key frames only, the same ones.
        on: where; cuda: see `pipeline.hardware`.
        room: says where a chunk's pixels go, when they come.

    Raises:
        HardwareError: if there is no GPU for it.
        VideoError: if the file cannot be decoded to its end, or is longer than an hour.

    Source: LMM-VQA, arXiv:2408.14008: one key frame and "all frames of that second". Differs: by
    presentation time, so that frame rates other than 32 have an answer.
    """
    done = 0
    if clip_frames == 0:
        try:
            for chunk in _chunks(path, 0, timed_frames(path, firsts_only=True, on=on), room):
                yield chunk
                done += 1
            return
        except Irregular as error:
            log.debug("%s: every frame is decoded: %s", path, error)
    # what was yielded before the irregularity is what a full decode gives
    yield from islice(_chunks(path, clip_frames, timed_frames(path, on=on), room), done, None)


def _chunks(
    path: Path,
    clip_frames: int,
    frames: Iterator[tuple[Fraction, av.VideoFrame, Fraction]],
    room: Room,
) -> Iterator[Chunk]:
    building: _Building | None = None
    shown: av.VideoFrame | None = None  # the frame on screen before the present one
    last_end_s = Fraction(0)
    for at_s, frame, end_s in frames:
        last_end_s = end_s
        index = int(at_s // CHUNK_S)
        if index >= MAX_CHUNKS:
            raise VideoError(f"{path}: longer than {MAX_CHUNKS} s; cut it into parts")
        if building is None:
            building = _Building(index, clip_frames)
        while shown is not None and building.index < index:
            building.show(shown, until_s=at_s)
            yield building.finished(shown, room)
            building = _Building(building.index + 1, clip_frames)
        if shown is not None:
            building.show(shown, until_s=at_s)
        if building.key_frame is None:
            building.key_frame = frame
        shown = frame
    if building is None or shown is None:
        raise VideoError(f"{path}: the video stream has no frame")
    while True:
        building.show(shown, until_s=last_end_s)
        left_s = last_end_s - building.index * CHUNK_S
        if building.index > 0 and left_s < Fraction(CHUNK_S, 2):
            return
        yield building.finished(shown, room)
        building = _Building(building.index + 1, clip_frames)


@dataclass
class _Building:
    """A chunk whose frames are still coming in."""

    index: int
    clip_frames: int
    key_frame: av.VideoFrame | None = None
    clip: list[av.VideoFrame] = field(default_factory=list)

    def show(self, frame: av.VideoFrame, until_s: Fraction) -> None:
        """Take `frame` for every instant of this chunk before `until_s` that has none yet."""
        while len(self.clip) < self.clip_frames:
            at_s = CHUNK_S * (self.index + Fraction(len(self.clip), self.clip_frames))
            if at_s >= until_s:
                return
            self.clip.append(frame)

    def finished(self, shown: av.VideoFrame, room: Room) -> Chunk:
        """Return the chunk; a short last one has its T instants spread over what there is.

        The clip's frames get the size of the key frame, if the stream changes its size meanwhile.
        """
        first = self.key_frame or shown
        seen, shape = self.clip or [shown], rgb_shape(first)
        key_frame, clip = room(shape, (self.clip_frames, *shape))
        to_rgb(first, out=key_frame)
        before: av.VideoFrame | None = None
        for i in range(self.clip_frames):
            frame = seen[i * len(seen) // self.clip_frames]
            if frame is first:
                clip[i] = key_frame
            elif frame is before:
                clip[i] = clip[i - 1]
            else:
                to_rgb(frame, (first.width, first.height), out=clip[i])
            before = frame
        return Chunk(float(self.index * CHUNK_S), key_frame, clip)
