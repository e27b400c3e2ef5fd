"""Clips of consecutive frames, as the authors' code takes them: T frames from each second's first.

At 60 frames a second such a clip sees half of its second, below T frames a second it runs into the
next one. `pipeline.video.chunks` is what the paper describes, and the default.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from pipeline.colour import rgb_shape, to_rgb
from pipeline.container import MAX_CHUNKS, VideoError
from pipeline.frames import timed_frames
from pipeline.hardware import DecodeOn
from pipeline.video import CHUNK_S, Chunk, Room, new_room

_HALF = Fraction(CHUNK_S, 2)


def chunks(
    path: Path, clip_frames: int, on: DecodeOn = "cpu", room: Room = new_room
) -> Iterator[Chunk]:
    """Decode a video once and yield its chunks in order, each with T consecutive frames.

    Key frames, and which seconds there are, are those of `pipeline.video.chunks`. Clips that run
    past the end are filled with the last frame.

    Args:
        path: of the video file.
        clip_frames: T, at least 1.
        on: where; cuda: see `pipeline.hardware`.
        room: says where a chunk's pixels go, when they come.

    Raises:
        HardwareError: if there is no GPU for it.
        VideoError: if the file cannot be decoded to its end, is longer than an hour, or its frames
            change their size.

    Source: the code that the authors of LMM-VQA published. Differs: a second begins by presentation
    time, where theirs begins every round(frames per second) frames; short videos are not filled up
    to a number of clips that depends on the data set.
    """
    building: deque[_Clip] = deque()
    begun, last_end_s = 0, Fraction(0)
    shown: av.VideoFrame | None = None
    for at_s, frame, end_s in timed_frames(path, on=on):
        last_end_s = end_s
        index = int(at_s // CHUNK_S)
        if index >= MAX_CHUNKS:
            raise VideoError(f"{path}: longer than {MAX_CHUNKS} s; cut it into parts")
        for number in range(begun, index + 1):  # a second without a frame of its own shows the last
            first = frame if number == index or shown is None else shown
            building.append(_Clip(number, clip_frames, [] if first is frame else [first]))
        begun = max(begun, index + 1)
        for clip in building:
            clip.frames.append(frame)
        while building and building[0].is_whole and at_s - building[0].index >= _HALF:
            yield building.popleft().finished(path, room)
        shown = frame
    if shown is None:
        raise VideoError(f"{path}: the video stream has no frame")
    while last_end_s - begun >= _HALF:  # the last frame stays on screen
        building.append(_Clip(begun, clip_frames, [shown]))
        begun += 1
    for clip in building:
        if clip.index == 0 or last_end_s - clip.index >= _HALF:
            yield clip.finished(path, room)


@dataclass
class _Clip:
    """A clip whose frames are still coming in; the first is the key frame."""

    index: int
    wanted: int
    frames: list[av.VideoFrame]

    @property
    def is_whole(self) -> bool:
        return len(self.frames) >= self.wanted

    def finished(self, path: Path, room: Room) -> Chunk:
        """Return the chunk, filled up with the last frame."""
        frames = self.frames[: self.wanted]
        shape = rgb_shape(frames[0])
        if any(rgb_shape(frame) != shape for frame in frames):
            raise VideoError(f"{path}: frames change their size at {self.index} s")
        key_frame, clip = room(shape, (self.wanted, *shape))
        for frame, out in zip(frames, clip, strict=False):
            to_rgb(frame, out=out)
        clip[len(frames) :] = clip[len(frames) - 1]
        key_frame[...] = clip[0]
        return Chunk(float(self.index * CHUNK_S), key_frame, clip)
