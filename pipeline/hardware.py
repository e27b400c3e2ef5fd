"""Decoding by a GPU of NVIDIA's (NVDEC), by way of PyAV. Written, never run: docs/limits.md.

Only what a decoder must give bit by bit: H.264, HEVC and VP9 with halved chroma and 8 or 10 bits.
Their frames come back to main memory and get the layout that the CPU's decoder has, so that a sound
stream's pixels are the same. In a damaged one the GPU conceals in its own way.
"""

import ctypes
import sys
from functools import cache
from typing import Literal

import av
from av.codec.hwaccel import HWAccel, hwdevices_available

DecodeOn = Literal["cpu", "cuda"]

_CODECS = frozenset({"h264", "hevc", "vp9"})
_FORMATS = frozenset({"yuv420p", "yuvj420p", "yuv420p10le"})
# swscale takes another way from NV12 to RGB, tens of grey levels off at edges of colour
_PLANAR = {"nv12": "yuv420p", "p010le": "yuv420p10le"}
_held: list[HWAccel] = []  # keeps the CUDA context that all streams share


class HardwareError(RuntimeError):
    """The GPU cannot decode: no fault of a video's."""


@cache
def accelerator() -> HWAccel:
    """Return what opens a stream on the GPU; this process holds its CUDA context from here on.

    Where the GPU cannot take a stream, FFmpeg decodes it on the CPU.

    Raises:
        HardwareError: if the driver, its decoder or the GPU is missing.
    """
    try:
        if sys.platform == "linux":  # or else FFmpeg would decode everything on the CPU, in silence
            ctypes.CDLL("libnvcuvid.so.1")
        # all streams share one context: to make one takes longer than a short video
        shared = HWAccel("cuda", allow_software_fallback=True, options={"primary_ctx": "1"})
        _held.append(shared.create(av.Codec("h264", "r")))
    except (OSError, NotImplementedError, av.FFmpegError) as error:
        raise refused(error) from error
    return shared


def refused(error: Exception) -> HardwareError:
    """Return the error that says what is missing and which setting asks for it."""
    return HardwareError(
        f"run.decode_on is cuda, but no GPU decodes here: {error}; wanted are NVIDIA's driver with "
        "libnvcuvid (in a container, NVIDIA_DRIVER_CAPABILITIES with `video`), a GPU that "
        "CUDA_VISIBLE_DEVICES does not hide, and `cuda` among what PyAV was built with "
        f"({', '.join(hwdevices_available()) or 'nothing'}); or set run.decode_on: cpu"
    )


def suits(stream: av.VideoStream) -> bool:
    """Say whether the GPU's pixels must be those of the CPU, for a stream opened on the CPU."""
    context = stream.codec_context
    return context.codec.canonical_name in _CODECS and context.pix_fmt in _FORMATS


def planar(frame: av.VideoFrame) -> av.VideoFrame:
    """Return a frame of the GPU's in the CPU decoder's layout, its numbers and times unchanged."""
    wanted = _PLANAR.get(frame.format.name)
    return frame.reformat(format=wanted, threads=1) if wanted else frame
