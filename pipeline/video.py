"""Video files to key frames and clips, by presentation time.

Time is counted from the first frame. Chunk k is the second [k, k + 1); its key frame is the first
frame that is presented in it, and its clip is the pictures on screen at evenly spread instants. A
chunk without a frame of its own (a gap in a variable frame rate) shows the frame before it. A last
piece shorter than half a chunk is left out, unless it is all there is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

VERSION = 1  # raised when the same file would give other frames
CHUNK_S = 1
MAX_CHUNKS = 3600  # an hour; longer videos are refused rather than cut in silence
MAX_FRAME_PX = 8192 * 8192

# A file from a stranger may be a playlist or a script that names other files: only these
# demuxers may open it, and only as a local file.
_DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,live_flv,mpegts,mpeg,mpegvideo,asf,ogg,gif,ivf,"
    "h264,hevc,m4v,mxf,yuv4mpegpipe,rm,obu,av1,nut,swf,dv,mjpeg,vc1"
)
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _DEMUXERS}

_SWS_BT709, _SWS_BT601, _SWS_BT2020 = 1, 5, 9
_SWS_OF_AV = {1: _SWS_BT709, 9: _SWS_BT2020, 10: _SWS_BT2020}  # AVColorSpace to swscale's matrices
_AV_UNSPECIFIED = 2

Frame = NDArray[np.uint8]


class VideoError(ValueError):
    """A file cannot be read as video; the message says where and why."""


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
        VideoError: if the file is no video, or its frames are larger than 8192 x 8192.
    """
    with _opened(path) as (container, stream):
        first = next(container.decode(stream), None)
        if first is None:
            raise VideoError(f"{path}: the video stream has no frame")
        turned = first.rotation % 180 == 90
        if stream.duration is not None and stream.time_base is not None:
            duration_s = float(stream.duration * stream.time_base)
        else:
            duration_s = (container.duration or 0) / av.time_base
        return VideoFacts(
            width=first.height if turned else first.width,
            height=first.width if turned else first.height,
            fps=round(float(stream.average_rate or 0), 4),
            duration_s=round(max(duration_s, 0.0), 4),
            codec=stream.codec_context.name,
        )


def first_frame(path: Path) -> Frame:
    """Return the first frame, uint8 ``(H, W, 3)`` RGB.

    Raises:
        VideoError: if there is none.
    """
    with _opened(path) as (container, stream):
        for frame in container.decode(stream):
            return to_rgb(frame)
    raise VideoError(f"{path}: the video stream has no frame")


def chunks(path: Path, clip_frames: int) -> Iterator[Chunk]:
    """Decode a video once and yield its chunks in order; memory does not grow with its length.

    Args:
        path: of the video file.
        clip_frames: T, instants per chunk, spread evenly; 0: key frames only.

    Raises:
        VideoError: if the file cannot be decoded to its end, or is longer than an hour.

    Source: LMM-VQA, arXiv:2408.14008: one key frame and "all frames of that second". Differs: by
    presentation time, so that frame rates other than 32 have an answer.
    """
    building: _Building | None = None
    shown: av.VideoFrame | None = None  # the frame on screen before the present one
    last_end_s = Fraction(0)
    for at_s, frame, end_s in _timed_frames(path):
        last_end_s = end_s
        index = int(at_s // CHUNK_S)
        if index >= MAX_CHUNKS:
            raise VideoError(f"{path}: longer than {MAX_CHUNKS} s; cut it into parts")
        if building is None:
            building = _Building(index, clip_frames)
        while shown is not None and building.index < index:
            building.show(shown, until_s=at_s)
            yield building.finished(shown)
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
        yield building.finished(shown)
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

    def finished(self, shown: av.VideoFrame) -> Chunk:
        """Return the chunk; a short last one has its T instants spread over what there is."""
        key_frame = to_rgb(self.key_frame or shown)
        clip = self.clip or [shown]
        picked = [clip[i * len(clip) // self.clip_frames] for i in range(self.clip_frames)]
        rgb = {id(frame): frame for frame in picked}
        arrays = {key: to_rgb(frame) for key, frame in rgb.items()}
        return Chunk(
            start_s=float(self.index * CHUNK_S),
            key_frame=key_frame,
            clip=np.stack([arrays[id(frame)] for frame in picked])
            if picked
            else np.empty((0, *key_frame.shape), np.uint8),
        )


def to_rgb(frame: av.VideoFrame) -> Frame:
    """Convert a decoded frame to RGB as it is meant to be seen, uint8 ``(H, W, 3)``.

    The stream's own colour matrix is used; where it states none, BT.709 from 720 lines on and
    BT.601 below, as players do. Rotation flags are followed.
    """
    space = int(frame.colorspace)
    if space == _AV_UNSPECIFIED:
        matrix = _SWS_BT709 if frame.height >= 720 else _SWS_BT601
    else:
        matrix = _SWS_OF_AV.get(space, _SWS_BT601)
    array: Frame = frame.to_ndarray(format="rgb24", src_colorspace=matrix)
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(array, quarter_turns)) if quarter_turns else array


def _timed_frames(path: Path) -> Iterator[tuple[Fraction, av.VideoFrame, Fraction]]:
    """Yield (start, frame, end) of each frame in seconds from the first; starts increase."""
    with _opened(path) as (container, stream):
        rate = stream.average_rate or stream.guessed_rate
        step_s = Fraction(1) / Fraction(rate) if rate else Fraction(0)
        origin: Fraction | None = None
        end_s = Fraction(-1)
        last_s = Fraction(-1)
        try:
            for frame in container.decode(stream):
                if frame.pts is None or frame.time_base is None:
                    at_s = max(end_s, Fraction(0))
                else:
                    at_s = frame.pts * Fraction(frame.time_base)
                    origin = at_s if origin is None else origin
                    at_s -= origin
                if at_s <= last_s:
                    continue  # a second picture for an instant that has one
                own_s = (
                    frame.duration * Fraction(frame.time_base)
                    if frame.duration and frame.time_base
                    else step_s
                )
                if not own_s and frame.pts is None:
                    raise VideoError(f"{path}: neither time stamps nor a frame rate")
                last_s, end_s = at_s, at_s + own_s
                yield at_s, frame, end_s
        except av.FFmpegError as error:
            raise VideoError(
                f"{path}: decoding stopped at {float(end_s):.2f} s: {error}"
            ) from error


@contextmanager
def _opened(path: Path) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """Open a local file's first real video stream; nothing else is opened through it."""
    if not path.is_file():
        raise VideoError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise VideoError(f"{path}: the file is empty")
    try:
        # "file:" so that a name such as "concat:a" or "-" stays a name
        container = av.open(f"file:{path.absolute()}", options=dict(_OPTIONS))
    except (av.FFmpegError, UnicodeError) as error:
        raise VideoError(f"{path}: not a video that can be opened: {error}") from error
    with container:
        streams = [s for s in container.streams.video if not _is_cover(s)]
        if not streams:
            raise VideoError(f"{path}: no video stream")
        stream = streams[0]
        if stream.width * stream.height > MAX_FRAME_PX:
            raise VideoError(f"{path}: frames of {stream.width} x {stream.height}, over the limit")
        try:
            yield container, stream
        except av.FFmpegError as error:
            raise VideoError(f"{path}: {error}") from error


def _is_cover(stream: av.VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)
