"""What one would write or use instead of `lmm-vqa extract`: a plain loop, torch's DataLoader.

The plain loop is that of SimpleVQA's and LMM-VQA's own code: every frame is decoded and made RGB,
one pass per encoder, one `.npy` per second. PyAV stands for OpenCV here, which is no dependency:
both call FFmpeg, and it decodes on frame threads as OpenCV does. The DataLoader's workers choose
the key frame and the clip's frames of each second, and make RGB of these alone. A plain loop runs
the same networks and weights as PyTorch runs them, on all cores, and resizes with Pillow; "our
encoders" is the same loop with this project's. With SlowFast the loop computes both pathways and
keeps the fast one's numbers, as SimpleVQA does.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import av
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks.measure import Networks
from encoders.i3d import I3DEncoder
from encoders.spatial import SpatialEncoder
from encoders.temporal import SlowFastEncoder
from pipeline.cache import Kind
from pipeline.encode import Encoder
from pipeline.settings import TemporalSettings

FAST = 256  # numbers of SlowFast's fast pathway, after the slow one's


def seconds_of(path: Path) -> Iterator[list[np.ndarray]]:
    """Yield the frames of each second, as a loop over frame numbers gives them."""
    for second in decoded(path):
        yield [rgb(frame) for frame in second]


def decoded(path: Path) -> Iterator[list[av.VideoFrame]]:
    """Yield the frames of each second as they are decoded, on frame threads as in OpenCV."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        rate, second = round(stream.average_rate or 30), []
        for frame in container.decode(stream):
            second.append(frame)
            if len(second) == rate:
                yield second
                second = []
        if second:
            yield second


def rgb(frame: av.VideoFrame) -> np.ndarray:
    """Return a frame ``(H, W, 3)``."""
    # the matrix that players take where none is stated, as `pipeline.colour` does
    matrix = "ITU709" if frame.height >= 720 else "ITU601"
    return frame.reformat(format="rgb24", src_colorspace=matrix).to_ndarray()


def tokens_of(path: Path, kind: Kind, encode: Encoder, frames: int) -> Iterator[np.ndarray]:
    """Yield a token, or tokens, per second of a video."""
    for second in seconds_of(path):
        if kind == "spatial":
            yield encode([second[0]])[0]
        else:
            yield encode([np.stack([second[n * len(second) // frames] for n in range(frames)])])[0]


def as_torch_runs_them(nets: Networks) -> dict[Kind, Encoder]:
    """Return encoders without what `encoders.onednn` does, whose clips Pillow resizes."""

    def same(net: Any, *_: object) -> Any:
        return net

    names = ("spatial.fold", "i3d.fold", "temporal.fold", "onednn.through_onednn")
    temporal: Encoder
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(patch(f"encoders.{name}", same))
        spatial = SpatialEncoder(**nets.spatial.model_dump(), device="cpu")
        if nets.temporal.model == "i3d":
            named = nets.temporal.model_dump(exclude={"model", "pathway", "clip"})
            temporal = I3DEncoder(**named, device="cpu")
        else:
            named = nets.temporal.model_dump(exclude={"model", "layers", "clip"})
            temporal = SlowFastEncoder(**named, device="cpu")
    return {"spatial": spatial, "temporal": _Pillow(temporal, nets.temporal)}


class _Pillow:
    """An encoder of clips whose frames are resized beforehand, one by one."""

    def __init__(self, encode: Encoder, settings: TemporalSettings) -> None:
        self._encode, self._side = encode, settings.size_px
        self.fingerprint, self.random = encode.fingerprint, encode.random

    def __call__(self, clips: Any) -> np.ndarray:
        side = (self._side, self._side)
        small = [
            [np.asarray(Image.fromarray(f).resize(side, Image.Resampling.BILINEAR)) for f in clip]
            for clip in clips
        ]
        return self._encode([np.stack(frames) for frames in small])


class Fast:
    """SlowFast of which both pathways are computed and the fast one's numbers are kept."""

    def __init__(self, encode: Encoder) -> None:
        self._encode = encode
        self.fingerprint, self.random = encode.fingerprint, encode.random

    def __call__(self, clips: Any) -> np.ndarray:
        return self._encode(clips)[:, -FAST:]


def plain(videos: Sequence[Path], encoders: Mapping[Kind, Encoder], nets: Networks) -> None:
    """Encode videos one after the other, an encoder at a time, a file per second."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory() as scratch:
        for kind, encode in encoders.items():
            for number, path in enumerate(videos):
                for second, token in enumerate(tokens_of(path, kind, encode, nets.temporal.frames)):
                    np.save(f"{scratch}/{kind}-{number}-{second}.npy", token)
    torch.set_num_threads(1)


class Decoded(Dataset[list[tuple[np.ndarray, np.ndarray]]]):
    """Videos as a key frame and a clip per second, decoded and chosen by whoever asks."""

    def __init__(self, videos: Sequence[Path], frames: int) -> None:
        self._videos, self._frames = videos, frames

    def __len__(self) -> int:
        return len(self._videos)

    def __getitem__(self, index: int) -> list[tuple[np.ndarray, np.ndarray]]:
        return [self._chosen(second) for second in decoded(self._videos[index])]

    def _chosen(self, second: list[av.VideoFrame]) -> tuple[np.ndarray, np.ndarray]:
        places = [n * len(second) // self._frames for n in range(self._frames)]
        made = {place: rgb(second[place]) for place in {0, *places}}
        return made[0], np.stack([made[place] for place in places])


def by_loader(videos: Sequence[Path], nets: Networks, workers: int) -> None:
    """Decode and choose frames in the workers of torch's DataLoader, encode here."""
    spatial, temporal = nets.built("spatial"), nets.built("temporal")
    loader = DataLoader(Decoded(videos, nets.temporal.frames), batch_size=None, num_workers=workers)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory() as scratch:
        for number, video in enumerate(loader):
            for place, (key_frame, clip) in enumerate(video):
                np.save(f"{scratch}/s-{number}-{place}.npy", spatial([np.asarray(key_frame)])[0])
                np.save(f"{scratch}/t-{number}-{place}.npy", temporal([np.asarray(clip)])[0])
    torch.set_num_threads(1)
