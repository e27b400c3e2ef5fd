"""A stranger's file, opened as one video stream, and nothing else opened through it.

A "video" may be a playlist, a concat script or a movie that names other files or addresses. Three
doors are shut: only the demuxers below may read it; FFmpeg gets an open file, no name; and whatever
it wants to open beyond that is refused. What a header claims is compared with the limits before
frames are decoded.
"""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import av
from av.codec.hwaccel import HWAccel

from pipeline import hardware

MAX_CHUNKS = 3600  # of a second; longer videos are refused rather than cut in silence
MAX_FRAME_PX = 8192 * 8192

_DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,live_flv,mpegts,mpeg,mpegvideo,asf,ogg,gif,ivf,"
    "h264,hevc,m4v,mxf,yuv4mpegpipe,rm,obu,av1,nut,swf,dv,mjpeg,vc1"
)
# FFmpeg has decoders for hundreds of formats of old games; a stranger's file could pick the weakest
_DECODERS = (
    "h264,hevc,vvc,av1,libdav1d,vp8,vp9,libvpx,libvpx-vp9,vp6,vp6f,vp6a,mpeg1video,mpeg2video,mpeg4,"
    "h261,h263,h263i,h263p,flv,theora,wmv1,wmv2,wmv3,vc1,msmpeg4,msmpeg4v1,msmpeg4v2,mjpeg,mjpegb,"
    "prores,dnxhd,cfhd,ffv1,ffvhuff,huffyuv,utvideo,magicyuv,rawvideo,v210,r210,r10k,"
    "rv10,rv20,rv30,rv40,gif,png,qtrle,svq1,svq3,cinepak,indeo3,indeo4,indeo5,jpeg2000,dvvideo,"
    "snow,dirac"
)
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": _DEMUXERS,
    "codec_whitelist": _DECODERS,
    "enable_drefs": "0",  # a QuickTime track that lies in another file
    "max_streams": "100",
    "fflags": "-genpts",  # of PyAV; it guesses wrongly for H.264 in AVI, and frames then vanish
    # of every stream that is known from the header, while FFmpeg looks for its properties
    "max_pixels": str(MAX_FRAME_PX),
}

Opened = tuple[av.container.InputContainer, av.VideoStream]


class VideoError(ValueError):
    """A file cannot be read as video; the message says where and why."""


@contextmanager
def opened(path: Path, on: hardware.DecodeOn = "cpu") -> Iterator[Opened]:
    """Open a local file's first video stream that is no cover picture; it decodes on one thread.

    One thread: a damaged stream then is concealed alike each time, and videos run side by side.

    Args:
        path: of the file.
        on: cuda: what `pipeline.hardware` says goes to the GPU.

    Raises:
        HardwareError: if there is no GPU for it, whatever is in the file.
        VideoError: if there is none, or its header claims more than the limits; and for whatever
            FFmpeg says while the context is open.
    """
    if not path.is_file():
        raise VideoError(f"{path}: no such file")
    accelerator = hardware.accelerator() if on == "cuda" else None
    try:
        with _opened(path) as found:
            if accelerator is None or not hardware.suits(found[1]):
                yield found
                return
        with _opened(path, accelerator) as found:
            yield found
    except av.FFmpegError as error:
        raise VideoError(f"{path}: {said(error)}") from error
    except OSError as error:  # the file is gone, may not be read, or its disk fails
        raise VideoError(f"{path}: cannot be read: {error}") from error


@contextmanager
def _opened(path: Path, accelerator: HWAccel | None = None) -> Iterator[Opened]:
    with _File(path) as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise VideoError(f"{path}: the file is empty")
        try:
            container = av.open(
                file,
                options=dict(_OPTIONS),
                io_open=_refuse,
                metadata_errors="replace",
                hwaccel=accelerator,
            )
        except (av.FFmpegError, ValueError) as error:
            if accelerator:  # a moment ago the CPU has opened the file
                raise hardware.refused(error) from error
            if isinstance(error, av.ArgumentError):  # what the allow-lists do not have
                raise VideoError(f"{path}: not a video of a format that is read here") from error
            raise VideoError(f"{path}: not a video: {said(error)}") from error
        with container:
            yield container, _stream(path, container)


class _File(io.FileIO):
    """A file that says no to a seek before its beginning as FFmpeg's own files do, by -1."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        try:
            return super().seek(offset, whence)
        except (OSError, OverflowError):
            return -1


def said(error: Exception) -> str:
    """Return what FFmpeg says of an error, without its number and the name of the file."""
    return (isinstance(error, av.FFmpegError) and error.strerror) or str(error)


def _refuse(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    raise PermissionError("the file names another file or an address, which is not opened")


def _stream(path: Path, container: av.container.InputContainer) -> av.VideoStream:
    streams = [s for s in container.streams.video if not _is_cover(s)]
    if not streams:
        raise VideoError(f"{path}: no video stream")
    stream: av.VideoStream = streams[0]
    context = stream.codec_context
    if context is None:
        raise VideoError(f"{path}: its codec is not known")
    if stream.width * stream.height > MAX_FRAME_PX:
        raise VideoError(f"{path}: frames of {stream.width} x {stream.height}, over the limit")
    long_s = stated_s(container, stream)
    if long_s is not None and long_s >= MAX_CHUNKS + 1:
        raise VideoError(f"{path}: longer than {MAX_CHUNKS} s ({long_s:.0f} s); cut it into parts")
    context.thread_count = 1
    context.options = {"codec_whitelist": _DECODERS, "max_pixels": str(MAX_FRAME_PX)}
    return stream


def _is_cover(stream: av.VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def stated_s(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    """Return how long the file itself says that its video is, or None.

    FFmpeg's own figure is often its guess from the bit rate or the last time stamp, or the length
    of a longer sound track; only what is stated of the video counts here.
    """
    kind = container.format.name
    start_s = 0.0  # Matroska and FLV state the time of the end, not the length
    if stream.start_time is not None and stream.time_base is not None:
        start_s = float(stream.start_time * stream.time_base)
    if kind.startswith("mov") and stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", ""))
    if kind.startswith("matroska") and tag:
        hours, minutes, seconds = tag.groups()
        return int(hours) * 3600.0 + int(minutes) * 60 + float(seconds) - start_s
    alone = len(container.streams) == 1 and container.duration is not None
    if alone and kind.startswith(("matroska", "flv")):
        return float(container.duration / av.time_base) - start_s
    return None
