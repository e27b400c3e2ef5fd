"""Extraction against what one would write or use instead: same videos, weights and tokens.

The plain loop is that of SimpleVQA's and LMM-VQA's own code: every frame is decoded and made RGB,
one pass per encoder, one `.npy` per second. PyAV stands for OpenCV here, which is no dependency;
both call FFmpeg. It runs the same networks and weights as PyTorch runs them, on all cores, and
resizes with Pillow; "our encoders" is the same loop with this project's. With SlowFast the loop
computes both pathways and keeps the fast one's numbers, as SimpleVQA does.
"""

import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import av
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks.measure import (
    KINDS,
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
from encoders.i3d import I3DEncoder
from encoders.spatial import SpatialEncoder
from encoders.temporal import SlowFastEncoder
from pipeline.cache import Kind
from pipeline.encode import Encoder
from pipeline.settings import RunSettings, TemporalSettings
from pipeline.video import chunks

FAST = 256  # numbers of SlowFast's fast pathway, after the slow one's


@dataclass(frozen=True)
class Setting:
    """How much is measured."""

    heights: tuple[int, ...] = (270, 1080)
    seconds: float = 4
    videos: int = 8  # at 1080 lines; as many more below as they have fewer lines
    turns: int = 1
    workers: int = len(os.sched_getaffinity(0))
    slowfast_px: int = 224  # 0: not measured
    slowfast_videos: int = 2  # of each height


def measure(setting: Setting | None = None) -> list[Row]:
    """Return the figures of this group."""
    setting, nets = setting or Setting(), networks()
    rows: list[Row] = []
    theirs, ours_too = as_torch_runs_them(nets), {kind: nets.built(kind) for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder, cluster(setting.workers) as run:
        for height in setting.heights:
            clip = made_up_video(Path(folder) / f"{height}.mp4", height, setting.seconds)
            videos = [clip] * (setting.videos * max(1, max(setting.heights) // height))
            ways = {
                "a plain loop": lambda v=videos: plain(v, theirs, nets),
                "a plain loop with our encoders": lambda v=videos: plain(v, ours_too, nets),
                "one pass per encoder": lambda v=videos: [
                    stage(v, [kind], nets, run)() for kind in KINDS
                ],
                f"a DataLoader of {setting.workers} workers that decode": lambda v=videos: (
                    by_loader(v, nets, setting.workers)
                ),
            }
            rows += against(ways, videos, nets, run, setting)
            rows += differences(clip, KINDS, theirs, nets, setting)
            if setting.slowfast_px:
                rows += with_slowfast([clip] * setting.slowfast_videos, nets, run, setting)
    return rows + (pathways(setting) if setting.slowfast_px else [])


def against(
    ways: Mapping[str, Callable[[], object]],
    videos: Sequence[Path],
    nets: Networks,
    run: RunSettings,
    setting: Setting,
) -> list[Row]:
    """Compare `extract` with other ways to encode the same videos; of the first more is wanted."""
    tasks = {"ours": stage(videos, KINDS, nets, run), **ways}
    wall, cpu = apart(in_turns(tasks, setting.turns, clocks))
    size = f"{len(videos)} videos of {setting.seconds:g} s, {videos[0].stem} lines"
    name = f"`extract`, {setting.workers} workers, times faster"
    rows = []
    for way in ways:
        goal = ">= 3" if way == next(iter(ways)) else ""
        rows += [
            Row(name, ratio(wall, way, "ours"), "x", way, size, nets.weights, goal),
            Row(f"{name}, processor time", ratio(cpu, way, "ours"), "x", way, size, nets.weights),
        ]
    return rows


def differences(
    path: Path,
    kinds: Sequence[Kind],
    theirs: Mapping[Kind, Encoder],
    nets: Networks,
    setting: Setting,
) -> list[Row]:
    """Return by how much a plain loop's tokens differ."""
    size = f"a video of {setting.seconds:g} s, {path.stem} lines"
    return [
        Row(f"largest difference of a plain loop's {kind} token",
            difference(path, kind, theirs[kind], nets), "", "the token's largest number", size,
            nets.weights, "<= 0.01")
        for kind in kinds
    ]  # fmt: skip


def with_slowfast(
    videos: Sequence[Path], nets: Networks, run: RunSettings, setting: Setting
) -> list[Row]:
    """Compare with a loop that computes both pathways of SlowFast where the fast one is wanted."""
    wanted = TemporalSettings(
        model="slowfast_r50",
        pretrained="random",
        pathway="fast",
        frames=32,
        size_px=setting.slowfast_px,
    )
    both = replace(nets, temporal=wanted.model_copy(update={"pathway": "both"}))
    made, nets = as_torch_runs_them(both), replace(nets, temporal=wanted)
    theirs: dict[Kind, Encoder] = {**made, "temporal": _Fast(made["temporal"])}
    way = f"a plain loop that computes both pathways of 32 frames of {setting.slowfast_px} px"
    return [
        *against({way: lambda: plain(videos, theirs, nets)}, videos, nets, run, setting),
        *differences(videos[0], ["temporal"], theirs, nets, setting),
    ]


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


class _Fast:
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


def difference(path: Path, kind: Kind, other: Encoder, nets: Networks) -> float:
    """Return by how much a plain loop's token differs at most; 1: the token's largest number."""
    encode, frames = nets.built(kind), nets.temporal.frames
    found = chunks(path, frames)
    ours = [encode([c.key_frame if kind == "spatial" else c.clip])[0].astype(float) for c in found]
    theirs = [token.astype(float) for token in tokens_of(path, kind, other, frames)]
    return max(
        float(np.abs(a - b).max() / np.abs(a).max()) for a, b in zip(ours, theirs, strict=True)
    )


def pathways(setting: Setting) -> list[Row]:
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
