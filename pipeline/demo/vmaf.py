"""VMAF of a clip against its reference: the demo's label, and a check that the frames align."""

import re
from fractions import Fraction
from pathlib import Path

from pipeline.demo.ffmpeg import FfmpegError, ffmpeg

SCORE = re.compile(r"VMAF score: ([0-9.]+)")


def vmaf(clip: Path, reference: Path, fps: Fraction, frames: int) -> float:
    """Return the mean VMAF (FFmpeg's default model, 0-100) of a clip.

    Both are compared by frame number: some containers round times to milliseconds.

    Raises:
        FfmpegError: it cannot be measured, or the clip does not have `frames` frames.
    """
    by_number = f"settb=1/({fps}),setpts=N"
    graph = (
        f"[0:v]{by_number},split[counted][clip];[1:v]{by_number}[reference];"
        f"[clip]scale=in_range=auto:out_range=tv,format=yuv420p[plain];"
        f"[plain][reference]libvmaf=n_threads=1[scored]"
    )
    out, err = ffmpeg(
        [
            *("-v", "info", "-nostats", "-i", str(clip), "-threads", "1", "-i", str(reference)),
            *("-filter_complex", graph, "-map", "[scored]", "-f", "null", "-"),
            *("-map", "[counted]", "-fps_mode", "passthrough", "-f", "framecrc", "-"),
        ]
    )
    _check_count(clip, out, frames)
    found = SCORE.search(err)
    if found is None:
        raise FfmpegError(f"{clip}: libvmaf gave no score; its output ends in\n{err[-500:]}")
    return float(found.group(1))


def check_frames(clip: Path, frames: int) -> None:
    """Raise FfmpegError unless the clip decodes to exactly `frames` frames."""
    crc = ["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framecrc", "-"]
    _check_count(clip, ffmpeg(["-i", str(clip), *crc])[0], frames)


def _check_count(clip: Path, framecrc: str, frames: int) -> None:
    found = sum(1 for line in framecrc.splitlines() if not line.startswith("#"))
    if found != frames:
        raise FfmpegError(f"{clip}: {found} frames, wanted {frames} as in its reference")
