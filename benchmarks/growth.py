"""How time and memory grow, fitted; Dask's scheduler with no-op tasks; 10 million videos.

    python -m benchmarks.growth tasks 1000000    # so many no-op tasks on a real scheduler
    python -m benchmarks.growth sheet            # docs/scale.md's cost sheet, two minutes
    python -m benchmarks.growth simulate         # how many GPUs one scheduler keeps busy

An exponent of 1 is a cost in proportion, 0 is none. Times are of processor, in one process.
"""

import heapq
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
from distributed import Client

from benchmarks import cost
from benchmarks.held import memory
from benchmarks.measure import ROOT, Networks, Row, made_up_video, networks
from benchmarks.workers import alone, cluster
from pipeline import extract
from pipeline.encode import Job, Record, Video, encoder
from pipeline.settings import RunSettings, load

MILLION = 1_000_000
GPU_S = 0.34  # a video of 8 s on the GPU that docs/scale.md assumes


@dataclass(frozen=True)
class Setting:
    """How much is measured; each axis by itself, the others at their first value."""

    videos: tuple[int, ...] = (1, 2, 4)
    seconds: tuple[float, ...] = (2, 4, 8)
    heights: tuple[int, ...] = (270, 540, 1080)
    rates: tuple[int, ...] = (30, 60, 120)
    grids: tuple[int, ...] = (1, 2, 4, 7)
    minutes: tuple[int, ...] = (10, 60)  # of a film whose memory is measured; none: not measured
    held_minutes: tuple[float, float] = (1, 3)  # of a video whose tokens are held
    repeats: int = 3
    tasks: int = 4000
    simulated: int = MILLION
    workers: int = 2  # that they go to
    gpus: tuple[int, ...] = (8, 64, 512, 4096)


def measure(setting: Setting | None = None) -> list[Row]:
    """Return the figures of this group."""
    setting, nets = setting or Setting(), networks()
    rows = exponents(setting, nets) + memory(setting.minutes, setting.held_minutes)
    overhead_s, kept = on_dask(setting.tasks, setting.workers)
    size = f"{setting.tasks:,} no-op tasks, {setting.workers} workers"
    rows += [
        Row("Dask, a task in scheduler and client", 1000 * overhead_s, "core ms", "", size),
        Row("scheduler's and client's memory, a further finished task", kept, "bytes", "",
            f"{size}: from half of them to all"),
    ]  # fmt: skip
    for gpus in setting.gpus:
        took_s = simulated(setting.simulated, gpus, GPU_S, overhead_s)
        busy = setting.simulated * GPU_S / gpus / took_s
        rows.append(
            Row(f"simulation, {gpus} GPUs busy", 100 * busy, "%", "all the time",
                f"{setting.simulated:,} videos of {GPU_S} s on a GPU")
        )  # fmt: skip
    return rows


def exponents(setting: Setting, nets: Networks) -> list[Row]:
    """Return how processor time grows along each axis."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:

        def clip(height: int, seconds: float, fps: int) -> Path:
            path = Path(folder) / f"{height}-{seconds}-{fps}.mp4"
            return path if path.exists() else made_up_video(path, height, seconds, fps)

        height, seconds, fps = setting.heights[0], setting.seconds[0], setting.rates[0]
        base = clip(height, seconds, fps)

        def several(count: float) -> float:
            return sum(alone(base, nets) for _ in range(int(count)))

        def tokens(grid: float) -> float:
            spatial = nets.spatial.model_copy(update={"grid": int(grid)})
            return alone(base, Networks(spatial, nets.temporal))

        axes: dict[str, tuple[Sequence[float], Callable[[Any], float], str]] = {
            "number of videos": (setting.videos, several, "<= 1.1"),
            "length": (
                setting.seconds,
                lambda s: alone(clip(height, s, fps), nets),
                "<= 1.1",
            ),
            "lines": (setting.heights, lambda h: alone(clip(h, seconds, fps), nets), ""),
            "frame rate": (
                setting.rates,
                lambda r: alone(clip(height, seconds, r), nets),
                "",
            ),
            "cells per side of a frame": (setting.grids, tokens, ""),
        }
        alone(base, nets)  # builds the networks
        for name, (values, cost_of, goal) in axes.items():
            took = [min(cost_of(v) for _ in range(setting.repeats)) for v in values]
            size = (
                f"{height} lines, {seconds:g} s, {fps} frames/s; {name} {values[0]} to {values[-1]}"
            )
            found = exponent(values, took)
            rows.append(Row(f"time by {name}", found, "exponent", "", size, nets.weights, goal))
    return rows


def exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """Return b of the fit y = a x^b.

    >>> round(exponent([1, 2, 4], [3, 12, 48]), 3)
    2.0
    """
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def nothing(job: Job, run: RunSettings) -> Record:
    """Stand for `encode_video`: the same arguments and result over the wire, no work."""
    return Record(job.video.video_id, 8, 0.0, ((0, 0, 0), (0, 0, 0)))


def on_dask(tasks: int, workers: int) -> tuple[float, float]:
    """Return processor seconds a task, and bytes a task by which memory grows, of this process.

    Memory is the slope between half of the tasks and all: what is set up once has no part in it.
    It is scheduler and client, which one process is in `run.scheduler: local`; so that is what
    saturates. Jobs, window and collection are those of extraction; only the function is replaced.
    """
    prints = ({"kind": "spatial"}, {"kind": "temporal"})
    jobs = [
        Job(Path(), Video(f"v{n:07}", Path(f"{n}.mp4"), "0" * 64), (), prints) for n in range(tasks)
    ]
    planned: Any = SimpleNamespace(jobs=jobs)
    original = extract.encode_video
    extract.encode_video = nothing
    try:
        with cluster(workers) as run, Client(run.scheduler) as client:
            warm: Any = SimpleNamespace(jobs=jobs[:100])
            assert sum(1 for _ in extract._on_dask(client, warm, run)) == len(warm.jobs)
            process, half, began = psutil.Process(), tasks // 2, time.process_time()
            finished = extract._on_dask(client, planned, run)
            assert sum(1 for _ in islice(finished, half)) == half
            before = process.memory_info().rss
            assert sum(1 for _ in finished) == tasks - half
            took_s, grown = time.process_time() - began, process.memory_info().rss - before
    finally:
        extract.encode_video = original
    return took_s / tasks, grown / (tasks - half)


def simulated(tasks: int, workers: int, task_s: float, overhead_s: float) -> float:
    """Return the seconds that a cluster takes, event by event.

    A worker has one task and WAITING others, so it begins the next one at once if there is one. The
    scheduler deals with one finished task at a time: it takes the result and hands out another.
    """
    window = 1 + extract.WAITING
    begun = min(tasks, window * workers)
    queued = [begun // workers + (w < begun % workers) for w in range(workers)]
    ends = [(task_s, w) for w in range(workers) if queued[w]]
    heapq.heapify(ends)
    arrivals: list[tuple[float, int]] = []  # tasks on their way to a worker
    idle: set[int] = set()
    free_s = last_s = 0.0  # when the scheduler is free; when the last task ended
    while ends or arrivals:
        if arrivals and (not ends or arrivals[0][0] <= ends[0][0]):
            at_s, worker = heapq.heappop(arrivals)
            queued[worker] += 1
            if worker in idle:
                idle.discard(worker)
                heapq.heappush(ends, (at_s + task_s, worker))
            continue
        at_s, worker = heapq.heappop(ends)
        last_s = at_s
        queued[worker] -= 1
        if queued[worker]:
            heapq.heappush(ends, (at_s + task_s, worker))
        else:
            idle.add(worker)
        free_s = max(free_s, at_s) + overhead_s
        if begun < tasks:
            begun += 1
            heapq.heappush(arrivals, (free_s, worker))
    return max(last_s, free_s)


# ---- 10 million videos ---------------------------------------------------------------------------

VIDEOS, VIDEO_S, HEIGHT = 10 * MILLION, 8, 720
GPUS = (1, 8, 64)
CORES_PER_GPU = 16
STORAGE_BYTES_S = 2e9  # of the shared file system, reading and writing together
GPUS_PER_MACHINE, NETWORK_BYTES_S = 8, 3e9  # 25 Gbit/s to each machine


def sheet() -> str:
    """Return what 10 million videos cost in the paper's setting, as Markdown."""
    params = load(ROOT / "profiles/paper.yaml")
    with tempfile.TemporaryDirectory() as folder:
        clip = made_up_video(Path(folder) / "clip.mp4", HEIGHT, 4)
        decode_s = (
            cost.timed(lambda: list(cost.chunks(clip, params.temporal.frames)), 2) / 4 * VIDEO_S
        )
        video_bytes = clip.stat().st_size / 4 * VIDEO_S
        chunk = next(cost.chunks(clip, params.temporal.frames))
    gflop = token_bytes = 0.0
    for settings in (params.spatial, params.temporal):
        encode = encoder(settings.model_copy(update={"pretrained": "random"}), "cpu")
        arrays = [chunk.key_frame if settings is params.spatial else chunk.clip]
        gflop += cost.operations(lambda e=encode, a=arrays: e(a)) * VIDEO_S
        token_bytes += encode(arrays).nbytes * VIDEO_S
    task_s, _ = on_dask(2000, 2)
    gpu_s = gflop / 1e3 / cost.ENCODER_TFLOPS
    moved = video_bytes + token_bytes
    lines = [
        f"Measured, a video: decoding {decode_s:.2f} core s, {gflop:.0f}e9 operations, "
        f"{video_bytes / 1e6:.1f} MB read, {token_bytes / 1e6:.1f} MB written; scheduler "
        f"{1000 * task_s:.2f} ms.",
        "",
        "| GPUs | GPUs, videos/s | decoding | network | storage | scheduler | first | hours | GB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for gpus in GPUS:
        machines = -(-gpus // GPUS_PER_MACHINE)
        rates = {
            "GPUs": gpus / gpu_s,
            "decoding": gpus * CORES_PER_GPU / decode_s,
            "network": machines * NETWORK_BYTES_S / moved,
            "storage": STORAGE_BYTES_S / moved,
            "scheduler": 1 / task_s,
        }
        first = min(rates, key=rates.__getitem__)
        hours = VIDEOS / rates[first] / 3600
        cells = " | ".join(
            f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}" for rate in rates.values()
        )
        lines.append(
            f"| {gpus} | {cells} | {first} | {hours:,.0f} | {VIDEOS * token_bytes / 1e9:,.0f} |"
        )
    return "\n".join(lines)


def table_of_simulation(gpus: Sequence[int] = (64, 512, 4096)) -> str:
    """Return the share of the time that GPUs are busy, by what a task takes in the scheduler."""
    lines = [f"| scheduler, a task | {' | '.join(f'{n} GPUs' for n in gpus)} |"]
    lines.append("|---" * (len(gpus) + 1) + "|")
    for overhead_ms in (1, 2, 3, 6):
        busy = [
            MILLION * GPU_S / n / simulated(MILLION, n, GPU_S, overhead_ms / 1000) for n in gpus
        ]
        lines.append(f"| {overhead_ms} ms | {' | '.join(f'{share:.0%}' for share in busy)} |")
    return "\n".join(lines)


def main(words: list[str]) -> None:
    """Print what is asked for."""
    if words[:1] == ["sheet"]:
        print(sheet())
    elif words == ["simulate"]:
        print(table_of_simulation())
    elif words[:1] == ["tasks"] and len(words) == 2:
        each_s, kept = on_dask(int(words[1]), workers=len(os.sched_getaffinity(0)))
        print(f"{int(words[1]):,} tasks: {1000 * each_s:.2f} core ms and {kept:.0f} bytes each")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
