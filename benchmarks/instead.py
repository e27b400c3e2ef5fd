"""Extraction against what one would write or use instead: same videos, weights and tokens.

The plain loop is that of SimpleVQA's and LMM-VQA's own code: every frame is decoded and made RGB,
one pass per encoder, one `.npy` per second. PyAV stands for OpenCV here, which is no dependency;
both call FFmpeg. It runs the same networks and weights as PyTorch runs them, on all cores, and
resizes with Pillow; "our encoders" is the same loop with this project's.
"""

import os
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import av
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks.measure import (
    Networks,
    Row,
    apart,
    clocks,
    in_turns,
    made_up_video,
    networks,
    ratio,
)
from benchmarks.workers import cluster, stage
from encoders import prepare
from encoders.temporal import SlowFastEncoder
from pipeline.cache import Kind
from pipeline.encode import Encoder, _built
from pipeline.settings import TemporalSettings
from pipeline.video import chunks

KINDS: tuple[Kind, ...] = ("spatial", "temporal")


@dataclass(frozen=True)
class Setting:
    """How much is measured."""

    heights: tuple[int, ...] = (270, 1080)
    seconds: float = 4
    videos: int = 8  # at 1080 lines; as many more below as they have fewer lines
    turns: int = 1
    workers: int = len(os.sched_getaffinity(0))
    slowfast_px: int = 224  # 0: not measured


def measure(setting: Setting | None = None) -> list[Row]:
    """Return the figures of this group."""
    setting, nets = setting or Setting(), networks()
    rows: list[Row] = []
    theirs, ours_too = as_torch_runs_them(nets), {kind: nets.built(kind) for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder, cluster(setting.workers) as run:
        for height in setting.heights:
            clip = made_up_video(Path(folder) / f"{height}.mp4", height, setting.seconds)
            videos = [clip] * (setting.videos * max(1, max(setting.heights) // height))
            ours = stage(videos, KINDS, nets, run)
            ways = {
                "ours": ours,
                "plain": lambda v=videos: plain(v, theirs, nets),
                "our encoders": lambda v=videos: plain(v, ours_too, nets),
                "twice": lambda v=videos: [stage(v, [kind], nets, run)() for kind in KINDS],
                "loader": lambda v=videos: by_loader(v, nets, setting.workers),
            }
            wall, cpu = apart(in_turns(ways, setting.turns, clocks))
            size = f"{len(videos)} videos of {setting.seconds:g} s, {height} lines"
            name = f"`extract`, {setting.workers} workers, times faster"
            for way, against, goal in (
                ("plain", "a plain loop", ">= 3"),
                ("our encoders", "a plain loop with our encoders", ""),
                ("twice", "one pass per encoder", ""),
                ("loader", f"a DataLoader of {setting.workers} workers that decode", ""),
            ):
                rows += [
                    Row(name, ratio(wall, way, "ours"), "x", against, size, nets.weights, goal),
                    Row(f"{name}, processor time", ratio(cpu, way, "ours"), "x", against, size,
                        nets.weights),
                ]  # fmt: skip
            rows += [
                Row(f"largest difference of a plain loop's {kind} token",
                    difference(clip, kind, nets), "", "the token's largest number", size,
                    nets.weights, "<= 0.01")
                for kind in KINDS
            ]  # fmt: skip
    return rows + (slowfast(setting) if setting.slowfast_px else [])


def seconds_of(path: Path) -> Iterator[list[np.ndarray]]:
    """Yield the frames of each second, as a loop over frame numbers gives them."""
    with av.open(str(path)) as container:
        rate = round(container.streams.video[0].average_rate or 30)
        # the matrix that players take where none is stated, as `pipeline.colour` does
        frames = [
            frame.reformat(
                format="rgb24", src_colorspace="ITU709" if frame.height >= 720 else "ITU601"
            ).to_ndarray()
            for frame in container.decode(video=0)
        ]
    for start in range(0, len(frames), rate):
        yield frames[start : start + rate]


def tokens_of(path: Path, kind: Kind, encode: Encoder, frames: int) -> Iterator[np.ndarray]:
    """Yield a token, or tokens, per second of a video."""
    for second in seconds_of(path):
        if kind == "spatial":
            yield encode([second[0]])[0]
        else:
            yield encode([np.stack([second[n * len(second) // frames] for n in range(frames)])])[0]


def as_torch_runs_them(nets: Networks) -> dict[Kind, Encoder]:
    """Return encoders without what `encoders.onednn` does, whose clips Pillow resizes."""
    settings: dict[Kind, Any] = {"spatial": nets.spatial, "temporal": nets.temporal}

    def same(net: Any, *_: object) -> Any:
        return net

    names = ("spatial.fold", "i3d.fold", "temporal.fold", "onednn.through_onednn")
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(patch(f"encoders.{name}", same))
        made = {kind: _built.__wrapped__(of, "cpu") for kind, of in settings.items()}
    return {"spatial": made["spatial"], "temporal": _Pillow(made["temporal"], nets.temporal)}


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


def plain(videos: Sequence[Path], encoders: Mapping[Kind, Encoder], nets: Networks) -> None:
    """Encode videos one after the other, an encoder at a time, a file per second."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory() as scratch:
        for kind, encode in encoders.items():
            for number, path in enumerate(videos):
                for second, token in enumerate(tokens_of(path, kind, encode, nets.temporal.frames)):
                    np.save(f"{scratch}/{kind}-{number}-{second}.npy", token)
    torch.set_num_threads(1)


class Decoded(Dataset[list[list[np.ndarray]]]):
    """Videos as frames, decoded by whoever asks."""

    def __init__(self, videos: Sequence[Path]) -> None:
        self._videos = videos

    def __len__(self) -> int:
        return len(self._videos)

    def __getitem__(self, index: int) -> list[list[np.ndarray]]:
        return list(seconds_of(self._videos[index]))


def by_loader(videos: Sequence[Path], nets: Networks, workers: int) -> None:
    """Decode in the workers of torch's DataLoader, encode here."""
    spatial, temporal, frames = nets.built("spatial"), nets.built("temporal"), nets.temporal.frames
    loader = DataLoader(Decoded(videos), batch_size=None, num_workers=workers)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory() as scratch:
        for number, video in enumerate(loader):
            for place, second in enumerate(video):
                clip = np.stack([second[n * len(second) // frames] for n in range(frames)])
                np.save(f"{scratch}/s-{number}-{place}.npy", spatial([np.asarray(second[0])])[0])
                np.save(f"{scratch}/t-{number}-{place}.npy", temporal([clip])[0])
    torch.set_num_threads(1)


def difference(path: Path, kind: Kind, nets: Networks) -> float:
    """Return by how much a plain loop's token differs at most; 1: the token's largest number."""
    encode, frames = nets.built(kind), nets.temporal.frames
    other = as_torch_runs_them(nets)[kind]
    found = chunks(path, frames)
    ours = [encode([c.key_frame if kind == "spatial" else c.clip])[0].astype(float) for c in found]
    theirs = [token.astype(float) for token in tokens_of(path, kind, other, frames)]
    return max(
        float(np.abs(a - b).max() / np.abs(a).max()) for a, b in zip(ours, theirs, strict=True)
    )


def slowfast(setting: Setting) -> list[Row]:
    """Compare the pathway that is asked for with both, which the authors' code computes."""
    rng = np.random.default_rng(0)
    clip = rng.integers(0, 255, (32, setting.slowfast_px, setting.slowfast_px, 3), np.uint8)
    small = np.stack(prepare.clip(clip, 32, setting.slowfast_px))
    encoders = {
        pathway: SlowFastEncoder(
            pretrained="random",
            pathway=pathway,
            frames=32,
            size_px=setting.slowfast_px,
            device="cpu",
        )
        for pathway in ("fast", "slow", "both")
    }
    torch.set_num_threads(1)
    times = in_turns({p: lambda e=e: e([small]) for p, e in encoders.items()}, 1)
    size, weights = f"32 frames of {setting.slowfast_px} px", "SlowFast R50 (random)"
    rows = [
        Row(f"SlowFast, pathway {pathway}, times faster", ratio(times, "both", pathway), "x",
            "both pathways", size, weights)
        for pathway in ("fast", "slow")
    ]  # fmt: skip
    return [
        *rows,
        Row("SlowFast, both pathways", statistics.median(times["both"]), "s", "", size, weights),
    ]
