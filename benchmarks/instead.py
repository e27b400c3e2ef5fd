"""Extraction against what one would write or use instead: same videos, weights and tokens.

`benchmarks.rivals` has these others.
"""

import os
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

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
from benchmarks.rivals import Fast, as_torch_runs_them, by_loader, plain, tokens_of
from benchmarks.workers import cluster, stage
from encoders import prepare
from encoders.temporal import SlowFastEncoder
from pipeline.cache import Kind
from pipeline.encode import Encoder
from pipeline.settings import RunSettings, TemporalSettings
from pipeline.video import chunks

Way = Callable[[Sequence[Path]], object]  # encodes videos


@dataclass(frozen=True)
class Setting:
    """How much is measured."""

    heights: tuple[int, ...] = (270, 1080)
    seconds: float = 4
    videos: int = 6  # at the most lines; twice as many below, which are done sooner
    turns: int = 2
    workers: int = len(os.sched_getaffinity(0))
    slowfast_px: int = 224  # 0: not measured
    slowfast_videos: int = 4  # of the fewest lines: decoding plays no part beside SlowFast
    slowfast_s: float = 3  # that each lasts


def measure(setting: Setting | None = None) -> list[Row]:
    """Return the figures of this group."""
    setting, nets = setting or Setting(), networks()
    rows: list[Row] = []
    theirs, ours_too = as_torch_runs_them(nets), {kind: nets.built(kind) for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder, cluster(setting.workers) as run:
        for height in setting.heights:
            clip = made_up_video(Path(folder) / f"{height}.mp4", height, setting.seconds)
            videos = [clip] * (setting.videos * (1 if height == max(setting.heights) else 2))
            ways: dict[str, Way] = {
                "a plain loop (PyAV for OpenCV)": lambda v: plain(v, theirs, nets),
                "a plain loop (PyAV for OpenCV) with our encoders": lambda v: plain(
                    v, ours_too, nets
                ),
                "one pass per encoder": lambda v: [stage(v, [kind], nets, run)() for kind in KINDS],
                f"a DataLoader of {setting.workers} workers that decode and choose frames": (
                    lambda v: by_loader(v, nets, setting.workers)
                ),
            }
            rows += against(ways, videos, nets, run, setting)
            rows += differences(clip, KINDS, theirs, nets, setting)
            if setting.slowfast_px and height == min(setting.heights):
                short = replace(setting, seconds=setting.slowfast_s)
                brief = Path(folder, "short")
                brief.mkdir(exist_ok=True)
                clip = made_up_video(brief / clip.name, height, short.seconds)
                rows += with_slowfast([clip] * setting.slowfast_videos, nets, run, short)
    return rows + (pathways(setting) if setting.slowfast_px else [])


def against(
    ways: Mapping[str, Way],
    videos: Sequence[Path],
    nets: Networks,
    run: RunSettings,
    setting: Setting,
) -> list[Row]:
    """Compare `extract` with other ways to encode the same videos; of the first more is wanted."""
    every: dict[str, Way] = {"ours": lambda v: stage(v, KINDS, nets, run)(), **ways}
    for name, encode in every.items():  # warms up: each worker, else this process
        encode(videos[: max(1, setting.workers)] if name == "ours" else videos[:1])
    tasks = {name: lambda e=encode: e(videos) for name, encode in every.items()}
    wall, cpu = apart(in_turns(tasks, setting.turns, clocks, warm=True))
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
    theirs: dict[Kind, Encoder] = {**made, "temporal": Fast(made["temporal"])}
    way = "a plain loop (PyAV for OpenCV) that computes both pathways of 32 frames of "
    way += f"{setting.slowfast_px} px"
    return [
        *against({way: lambda v: plain(v, theirs, nets)}, videos, nets, run, setting),
        *differences(videos[0], ["temporal"], theirs, nets, setting),
    ]


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
