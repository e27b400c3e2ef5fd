"""Frames to network input: sizes, crops and normalisation. Resizing has antialias.

Key frames are resized by Pillow, as the networks' makers do. Of clips there are many frames, so
PyTorch resizes them, nine times as fast; it differs from Pillow by one grey level, now and then.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from encoders.weights import EncoderError

Frame = NDArray[np.uint8]
Interpolation = Literal["bilinear", "bicubic"]
Dtype = Literal["float32", "bfloat16"]  # what a network computes in

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def centre_crop(frame: Frame, size_px: int, interpolation: Interpolation) -> Frame:
    """Resize the shortest side to `size_px` and cut the centre square.

    Equal to the evaluation transform of open_clip (and to CLIPImageProcessor, which the paper's
    code uses) up to normalisation.

    Args:
        frame: ``(H, W, 3)`` RGB.

    Returns:
        ``(size_px, size_px, 3)`` RGB.
    """
    height, width = frame.shape[:2]
    short = min(height, width)
    height, width = int(size_px * height / short), int(size_px * width / short)
    resized = _resize(frame, height, width, interpolation)
    top, left = round((height - size_px) / 2), round((width - size_px) / 2)
    return resized[top : top + size_px, left : left + size_px]


def whole(frame: Frame, size_px: int, interpolation: Interpolation) -> Frame:
    """Resize the whole frame to ``(size_px, size_px, 3)``; the aspect ratio is not kept."""
    return _resize(frame, size_px, size_px, interpolation)


def crops(frame: Frame, size_px: int, rows: int, columns: int) -> list[Frame]:
    """Cut rows x columns squares at native resolution, spread evenly from edge to edge.

    Crops overlap where the frame is small and leave gaps where it is large; a single row or column
    lies in the middle. A frame smaller than a crop is mirrored outwards to its size.

    Returns:
        ``(size_px, size_px, 3)`` RGB each, row by row.
    """
    frame = _mirror_to(frame, size_px)
    tops = _offsets(frame.shape[0] - size_px, rows)
    lefts = _offsets(frame.shape[1] - size_px, columns)
    return [frame[t : t + size_px, c : c + size_px] for t in tops for c in lefts]


def clip(frames: NDArray[np.uint8], count: int, size_px: int) -> list[Frame]:
    """Resize the frames of a clip (bilinear), aspect ratio ignored, as the paper's code does.

    Args:
        frames: ``(T, H, W, 3)`` RGB.
        count: the T that the network wants.

    Raises:
        EncoderError: if T is another.
    """
    if len(frames) != count:
        raise EncoderError(f"a clip has {len(frames)} frames, wanted {count}")
    if frames.shape[1:3] == (size_px, size_px):
        return list(frames)
    channels_last = torch.from_numpy(frames).permute(0, 3, 1, 2)  # its quick way for bytes
    size = (size_px, size_px)
    resized = functional.interpolate(channels_last, size=size, mode="bilinear", antialias=True)
    return list(resized.permute(0, 2, 3, 1).numpy())


def normalised(
    images: Sequence[Frame], mean: Sequence[float], std: Sequence[float], device: str
) -> Tensor:
    """Return float32 ``(N, 3, H, W)``, scaled to 0..1, then (x - mean) / std per channel."""
    stacked = on_device(torch.from_numpy(np.stack(images)), device)
    scaled = stacked.permute(0, 3, 1, 2).to(torch.float32).div(255)
    centre, spread = (
        on_device(torch.tensor(numbers, dtype=torch.float32), device).view(3, 1, 1)
        for numbers in (mean, std)
    )
    return scaled.sub_(centre).div_(spread)


def on_device(host: Tensor, device: str) -> Tensor:
    """Copy a tensor in main memory to where the network computes, as every encoder does it.

    To a GPU it goes by way of pinned memory, so that this thread need not wait for the copy;
    PyTorch keeps that memory until the copy is done. For the CPU, `host` itself is returned.
    """
    if torch.device(device).type != "cuda":
        return host.to(device)
    return host.pin_memory().to(device, non_blocking=True)


def _resize(frame: Frame, height: int, width: int, interpolation: Interpolation) -> Frame:
    if frame.shape[:2] == (height, width):
        return frame
    return np.asarray(Image.fromarray(frame).resize((width, height), _FILTERS[interpolation]))


def _offsets(room: int, count: int) -> list[int]:
    """Return `count` offsets from 0 to `room`, evenly spread; the middle for one.

    >>> _offsets(256, 3), _offsets(256, 1)
    ([0, 128, 256], [128])
    """
    if count == 1:
        return [room // 2]
    return [round(i * room / (count - 1)) for i in range(count)]


def _mirror_to(frame: Frame, size_px: int) -> Frame:
    lacking = [max(0, size_px - side) for side in frame.shape[:2]]
    if not any(lacking):
        return frame
    sides = [(missing // 2, missing - missing // 2) for missing in lacking]
    return np.pad(frame, [*sides, (0, 0)], mode="reflect")
