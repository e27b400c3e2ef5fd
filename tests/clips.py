"""Videos made by code."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

BITS = 12
BLOCK_PX = 16


def numbered_frame(number: int) -> NDArray[np.uint8]:
    """Return a frame that carries its number as black and white blocks along its top."""
    frame = np.full((64, BITS * BLOCK_PX, 3), 128, np.uint8)
    for bit in range(BITS):
        left = bit * BLOCK_PX
        frame[:BLOCK_PX, left : left + BLOCK_PX] = 255 if number >> bit & 1 else 0
    return frame


def number_of(frame: NDArray[np.uint8]) -> int:
    """Read the number that `numbered_frame` burnt in."""
    middle = BLOCK_PX // 2
    return sum(
        (int(frame[middle, bit * BLOCK_PX + middle].mean()) > 128) << bit for bit in range(BITS)
    )


def write_video(
    path: Path,
    frames: Sequence[NDArray[np.uint8]],
    times_s: Sequence[Fraction],
    codec: str = "libx264",
) -> Path:
    """Write frames at the given times; the last lasts as long as the one before it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(1) / (times_s[1] - times_s[0]))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 120_000)
        if codec == "libx264":
            stream.options = {"crf": "10", "preset": "ultrafast", "threads": "1"}
        for array, at_s in zip(frames, times_s, strict=True):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            frame.time_base = stream.codec_context.time_base
            frame.pts = round(at_s / stream.codec_context.time_base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_moving_video(path: Path, seed: int = 0, seconds: float = 2.0) -> Path:
    """Write a small textured video that moves: 64 x 48, 12 frames per second."""
    texture = np.random.default_rng(seed).integers(0, 255, (48, 256, 3), np.uint8)
    count = round(12 * seconds)
    frames = [np.roll(texture, -n, axis=1)[:, :64].copy() for n in range(count)]
    return write_video(path, frames, [Fraction(n, 12) for n in range(count)])
