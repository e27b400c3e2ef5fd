"""The frames of a file with their times, as they come out of the decoder."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from pipeline import hardware
from pipeline.container import VideoError, opened, said, stated_s

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
    path: Path, firsts_only: bool = False, on: hardware.DecodeOn = "cpu"
) -> Iterator[tuple[Fraction, av.VideoFrame, Fraction]]:
    """Yield (start, frame, end) of each frame in seconds from the first; starts increase.

    Packets that cannot be decoded before the first frame are passed over (a recording that begins
    between two key frames); after it they are an error.

    Args:
        path: of the video file.
        firsts_only: leave out frames that are neither the first nor the last of their second, where
            the decoder can skip them.
        on: where, see `container.opened`.

    Raises:
        HardwareError: as `container.opened`.
        Irregular: with `firsts_only`, at the first sign that the other frames could depend on it.
        VideoError: if the file cannot be decoded to its end, or ends earlier than it says.
    """
    with opened(path, on) as (container, stream):
        thrift = _Thrift(stream) if firsts_only and _is_thrifty(container, stream) else None
        end_s = Fraction(0)
        try:
            for at_s, frame, end_s in _timed(
                path, stream, decoded(path, container, stream, thrift)
            ):
                yield at_s, frame, end_s
        except av.FFmpegError as error:
            kind = Irregular if thrift else VideoError
            raise kind(
                f"{path}: decoding stopped at {float(end_s):.2f} s: {said(error)}"
            ) from error
        long_s = stated_s(container, stream)
        if long_s is not None and end_s < long_s - SHORTFALL_S:
            raise VideoError(
                f"{path}: ends at {float(end_s):.2f} s, but says that it is {long_s:.2f} s long; "
                "it is truncated or damaged"
            )


def frame_rate(stream: av.VideoStream) -> Fraction:
    """Return frames per second; 0 if nothing is stated.

    In a bare stream without time stamps FFmpeg's average is made up, the codec's own rate is not.
    """
    rate = stream.guessed_rate if stream.start_time is None else stream.average_rate
    return Fraction(rate or stream.guessed_rate or 0)


def _timed(
    path: Path, stream: av.VideoStream, frames: Iterator[av.VideoFrame]
) -> Iterator[tuple[Fraction, av.VideoFrame, Fraction]]:
    """Give frames their times; a second picture for an instant that has one is left out."""
    rate = frame_rate(stream)
    clock = _Clock(1 / rate if rate else Fraction(0))
    last_s = Fraction(-1)
    for frame in frames:
        at_s, own_s = clock.time(frame)
        if at_s <= last_s:
            continue
        if not own_s and frame.pts is None:
            raise VideoError(f"{path}: neither time stamps nor a frame rate")
        last_s = at_s
        yield at_s, frame, at_s + own_s


class _Clock:
    """Tells when a frame is shown, in seconds from the first, and for how long.

    A frame without a presentation time (H.264 in AVI, negative times in Matroska) follows the one
    before it by as much as their decoding times differ, or else by that one's duration.
    """

    def __init__(self, step_s: Fraction) -> None:
        self._step_s = step_s
        self._at_s = self._next_s = Fraction(0)
        self._origin_s: Fraction | None = None
        self._dts: int | None = None

    def time(self, frame: av.VideoFrame) -> tuple[Fraction, Fraction]:
        unit_s = Fraction(frame.time_base or 0)
        own_s = max(frame.duration or 0, 0) * unit_s or self._step_s
        if frame.pts is not None:
            if self._origin_s is None:
                self._origin_s = frame.pts * unit_s - self._next_s
            at_s = frame.pts * unit_s - self._origin_s
        elif frame.dts is not None and self._dts is not None and frame.dts > self._dts:
            own_s = self._step_s = (frame.dts - self._dts) * unit_s
            at_s = self._at_s + own_s
        else:
            at_s = self._next_s
            own_s = self._step_s or own_s
        self._at_s, self._next_s, self._dts = at_s, at_s + own_s, frame.dts
        return at_s, own_s


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
            trouble = f" that can be decoded: {said(error)}"
            continue
        for frame in frames:
            begun = True
            if thrift:
                thrift.came_out(frame)
            yield hardware.planar(frame) if stream.codec_context.is_hwaccel else frame
        if last:  # PyAV reads beyond its list of streams if one has appeared meanwhile
            break
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
    whatever it decoded last; so here it stops at the first error, and all is decoded instead. One
    difference remains: a packet so damaged that a full decode refuses the video for it goes
    unnoticed if it is left out.
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
