"""The frames of a file with their times, as they come out of the decoder."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from pipeline.container import VideoError, opened, stated_s

SHORTFALL_S = 0.5  # how much earlier than stated a video may end: half a chunk

# Where a picture that no other refers to is marked so without exception (H.264: nal_ref_idc 0;
# MPEG: B pictures), in containers that give each packet its presentation time. Not HEVC: its
# non-reference pictures may be referred to by higher temporal layers. VP9 and AV1 decoders cannot
# tell before they decode.
_MARKING_CODECS = frozenset({"h264", "mpeg1video", "mpeg2video"})
_TIMED_CONTAINERS = ("mov", "matroska", "flv")


class Irregular(VideoError):
    """A stream cannot be decoded in part without risk; decode all of it."""


def timed_frames(
    path: Path, firsts_only: bool = False
) -> Iterator[tuple[Fraction, av.VideoFrame, Fraction]]:
    """Yield (start, frame, end) of each frame in seconds from the first; starts increase.

    Packets that cannot be decoded before the first frame are passed over (a recording that begins
    between two key frames); after it they are an error.

    Args:
        path: of the video file.
        firsts_only: leave out frames that are neither the first nor the last of their second, where
            the decoder can skip them.

    Raises:
        Irregular: with `firsts_only`, at the first sign that the other frames could depend on it.
        VideoError: if the file cannot be decoded to its end, or ends earlier than it says.
    """
    with opened(path) as (container, stream):
        thrift = _Thrift(stream) if firsts_only and _is_thrifty(container, stream) else None
        end_s = Fraction(0)
        try:
            for at_s, frame, end_s in _timed(
                path, stream, decoded(path, container, stream, thrift)
            ):
                yield at_s, frame, end_s
        except av.FFmpegError as error:
            kind = Irregular if thrift else VideoError
            raise kind(f"{path}: decoding stopped at {float(end_s):.2f} s: {error}") from error
        long_s = stated_s(container, stream)
        if long_s is not None and end_s < long_s - SHORTFALL_S:
            raise VideoError(
                f"{path}: ends at {float(end_s):.2f} s, but says that it is {long_s:.2f} s long; "
                "it is truncated or damaged"
            )


def _timed(
    path: Path, stream: av.VideoStream, frames: Iterator[av.VideoFrame]
) -> Iterator[tuple[Fraction, av.VideoFrame, Fraction]]:
    """Give frames their times; a second picture for an instant that has one is left out."""
    rate = stream.average_rate or stream.guessed_rate
    step_s = Fraction(1) / Fraction(rate) if rate else Fraction(0)
    origin: Fraction | None = None
    end_s = last_s = Fraction(-1)
    for frame in frames:
        if frame.pts is None or frame.time_base is None:
            at_s = max(end_s, Fraction(0))
        else:
            at_s = frame.pts * Fraction(frame.time_base)
            origin = at_s if origin is None else origin
            at_s -= origin
        if at_s <= last_s:
            continue
        own_s = _duration_s(frame) or step_s
        if not own_s and frame.pts is None:
            raise VideoError(f"{path}: neither time stamps nor a frame rate")
        last_s, end_s = at_s, at_s + own_s
        yield at_s, frame, end_s


def _duration_s(frame: av.VideoFrame) -> Fraction:
    if not frame.duration or frame.duration < 0 or not frame.time_base:
        return Fraction(0)
    return Fraction(frame.duration) * Fraction(frame.time_base)


def decoded(
    path: Path,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    thrift: "_Thrift | None" = None,
) -> Iterator[av.VideoFrame]:
    """Yield the frames of an opened file in the decoder's order.

    Raises:
        VideoError: if there is none, or the last packet is cut off.
        av.FFmpegError: if a packet after the first frame cannot be decoded.
    """
    begun, cut, trouble = False, False, ""
    for packet in container.demux(stream):
        last = packet.dts is None and packet.pts is None and packet.size == 0
        if packet.size == 0 and not last:
            continue  # Theora's way to say that the picture stays
        if not last:
            cut = packet.is_corrupt
        if thrift and not last:
            stream.codec_context.skip_frame = "NONREF" if thrift.spares(packet) else "DEFAULT"
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            if begun or thrift:
                raise
            trouble = f" that can be decoded: {error}"
            continue
        for frame in frames:
            begun = True
            if thrift:
                thrift.came_out(frame)
            yield frame
    if not begun:
        raise VideoError(f"{path}: the video stream has no frame{trouble}")
    if cut:
        raise VideoError(f"{path}: ends within a frame; it is truncated")


def _is_thrifty(container: av.container.InputContainer, stream: av.VideoStream) -> bool:
    timed: bool = container.format.name.startswith(_TIMED_CONTAINERS)
    return timed and stream.codec_context.name in _MARKING_CODECS


class _Thrift:
    """Tells packets whose pictures can be neither the first nor the last of their second.

    Such a packet lies, by presentation time, between two packets of the same second that were
    given to the decoder before. If moreover no other picture refers to it (the decoder looks at
    that), leaving it out changes no frame that is used: the first of a second, the last before a
    gap, the last of all. That holds in a sound stream. In a damaged one the decoder conceals with
    whatever it decoded last; so here it stops at the first error, and all is decoded instead.
    """

    def __init__(self, stream: av.VideoStream) -> None:
        stream.codec_context.options |= {"err_detect": "explode"}
        self._origin: tuple[int, Fraction] | None = None
        self._spans: dict[int, tuple[int, int]] = {}

    def came_out(self, frame: av.VideoFrame) -> None:
        """Take note of a frame; the first gives the origin of time."""
        if frame.pts is None or frame.is_corrupt:
            raise Irregular("a frame without a time, or a damaged one")
        if self._origin is None:
            self._origin = frame.pts, Fraction(frame.time_base)
        elif frame.pts <= self._last_pts:
            raise Irregular("a frame out of order")
        self._last_pts: int = frame.pts

    def spares(self, packet: av.Packet) -> bool:
        """Say whether the picture of a packet can be left out; of those to be decoded take note."""
        if packet.pts is None or packet.is_corrupt:
            raise Irregular("a packet without a time, or a damaged one")
        if self._origin is None or packet.is_discard:
            return False
        start, unit_s = self._origin
        second = int((packet.pts - start) * unit_s // 1)
        first, last = self._spans.get(second, (packet.pts, packet.pts))
        if first < packet.pts < last:
            return True
        self._spans[second] = min(first, packet.pts), max(last, packet.pts)
        if len(self._spans) > 8:
            del self._spans[min(self._spans)]
        return False
