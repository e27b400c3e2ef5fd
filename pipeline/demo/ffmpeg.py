"""FFmpeg as a program: the one that imageio-ffmpeg ships, which has libvmaf and every encoder."""

import functools
import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg

TIMEOUT_S = 600.0
# One thread and no dates or program names in the file: the same command gives the same bytes.
BITEXACT = ("-an", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact")


class FfmpegError(RuntimeError):
    """FFmpeg failed; the message has the command and the last lines that it wrote."""


def ffmpeg(arguments: Sequence[str], timeout_s: float = TIMEOUT_S) -> tuple[str, str]:
    """Run FFmpeg to its end.

    Args:
        arguments: all but the program's name. The first input is decoded by one thread, and only
            errors are written to stderr unless the arguments hold `-v`.
        timeout_s: seconds after which the run is ended.

    Returns:
        what it wrote to stdout and to stderr.

    Raises:
        FfmpegError: it cannot be started, failed, or was not done in time.
    """
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-y"]
    command += ["-v", "error", "-threads", "1", "-filter_threads", "1", *arguments]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except OSError as error:
        raise FfmpegError(f"{command[0]} cannot be started: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise FfmpegError(f"not done after {timeout_s} s: {' '.join(command)}") from error
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise FfmpegError(f"exit status {done.returncode} of {' '.join(command)}\n{last}")
    return done.stdout, done.stderr


def encode(source: Path, filters: str, codec: Sequence[str], target: Path) -> None:
    """Encode a video's picture, frame for frame, after a chain of filters.

    Raises:
        FfmpegError: see `ffmpeg`.
    """
    command = ["-i", str(source), "-map", "0:v:0"]
    if filters:
        command += ["-vf", filters]
    command += ["-fps_mode", "passthrough", *codec, "-pix_fmt", _pixels(codec), "-threads", "1"]
    ffmpeg([*command, *BITEXACT, str(target)])


def _pixels(codec: Sequence[str]) -> str:
    """Return 8 bit 4:2:0; Motion JPEG knows it in full range only."""
    return "yuvj420p" if "mjpeg" in codec else "yuv420p"


@functools.cache
def identity() -> str:
    """Return a short hash of the FFmpeg that is used, which decides the bytes of every clip."""
    first_line = ffmpeg(["-version"])[0].splitlines()[0]
    return hashlib.sha256(first_line.encode()).hexdigest()[:16]
