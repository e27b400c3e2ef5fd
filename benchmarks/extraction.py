"""The extraction stage against its limits: decoding alone, encoding alone, the machine's cores.

One worker is an encoding process and its decoder, so with two cores both can be busy at once. Its
time is compared with the larger of the two parts, each measured alone in the same turn: 1.0 is
perfect overlap. N workers on N cores are compared with N times one that is kept on one core, and
beside it stands what the machine itself gives: N processes that decode and encode, with no stage
around them. All that needs cores that have no other work. Processor time does not: it is that of
the worker, its decoder and all beside them.
"""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from distributed import Client, LocalCluster

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
from encoders import prepare
from pipeline import extract
from pipeline.cache import Kind
from pipeline.decoder import Decoder
from pipeline.encode import Encoder, Job, Target, Video, encode_video, fingerprint
from pipeline.settings import RunSettings
from pipeline.video import Chunk, chunks

RUN = RunSettings(scheduler="none", device="cpu")
SHA256 = "0" * 64
ASKED: dict[str, tuple[Kind, ...]] = {
    "spatial": ("spatial",),
    "temporal": ("temporal",),
    "both": ("spatial", "temporal"),
}


@dataclass(frozen=True)
class Setting:
    """How much is measured."""

    heights: tuple[int, ...] = (270, 720, 1080)
    seconds: float = 8  # as most videos of LSVQ and KoNViD-1k are long
    turns: int = 2
    videos: int = 8  # of the runs on several workers: a stage has a start and an end, too
    workers: int = len(os.sched_getaffinity(0))  # 0: one, in this process


def measure(setting: Setting | None = None) -> list[Row]:
    """Return the figures of this group."""
    setting, nets = setting or Setting(), networks()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            h: made_up_video(Path(folder) / f"{h}.mp4", h, setting.seconds) for h in setting.heights
        }
        for path in paths.values():
            for what in ASKED:
                rows += one_worker(path, what, nets, setting)
        rows += several_workers(paths, nets, setting)
        rows += decoding(paths[max(paths)], nets, setting)
        for path in paths.values():
            rows += encoding(path, nets, setting)
    return rows


def targets_of(what: str, nets: Networks, folder: Path) -> tuple[Target, ...]:
    """Return the caches that are filled."""
    settings = {"spatial": nets.spatial, "temporal": nets.temporal}
    return tuple(Target(settings[kind], folder / kind) for kind in ASKED[what])


def one_worker(path: Path, what: str, nets: Networks, setting: Setting) -> list[Row]:
    """Compare one worker with its parts, alone."""
    with tempfile.TemporaryDirectory() as scratch, closing(Decoder()) as decoder:
        targets = targets_of(what, nets, Path(scratch))
        for target in targets:
            target.folder.mkdir()
        encoders = [nets.built(target.kind) for target in targets]
        prints = tuple(fingerprint(t.settings, e) for t, e in zip(targets, encoders, strict=True))
        frames = max(target.clip_frames for target in targets)
        in_memory = [_copy(chunk) for chunk in chunks(path, frames)]
        job = Job(Path.cwd(), Video("v", path, SHA256), targets, prints)

        def decode() -> None:
            for _ in decoder.chunks(path, frames, RUN):
                pass

        def encode() -> None:
            for chunk in in_memory:
                for target, encoder in zip(targets, encoders, strict=True):
                    encoder([chunk.clip if target.clip_frames else chunk.key_frame])

        def stage() -> None:
            assert encode_video(job, RUN).failure is None

        ways = {"decode": decode, "encode": encode, "stage": stage}
        wall, cpu = apart(in_turns(ways, setting.turns, clocks))
    larger = [max(pair) for pair in zip(wall["decode"], wall["encode"], strict=True)]
    parts = [sum(pair) for pair in zip(cpu["decode"], cpu["encode"], strict=True)]
    size = f"{path.stem} lines, 30 frames/s, {setting.seconds:g} s"
    frames_s = {name: 30 * setting.seconds / statistics.median(of) for name, of in cpu.items()}
    name = f"{what}, one worker"
    return [
        Row(f"{what}, decoding alone", frames_s["decode"], "frames/core s", "", size),
        Row(f"{what}, encoding alone", frames_s["encode"], "frames/core s", "", size, nets.weights),
        Row(name, frames_s["stage"], "frames/core s", "", size, nets.weights),
        Row(name, ratio({**wall, "larger": larger}, "stage", "larger"), "x",
            "the larger of decoding and encoding alone", size, nets.weights, "<= 1.1"),
        Row(f"{name}, processor time", ratio({**cpu, "parts": parts}, "stage", "parts"), "x",
            "that of decoding and encoding alone", size, nets.weights, "<= 1.1"),
    ]  # fmt: skip


def _copy(chunk: Chunk) -> Chunk:
    return Chunk(chunk.start_s, chunk.key_frame.copy(), chunk.clip.copy())


@contextmanager
def cluster(workers: int) -> Iterator[RunSettings]:
    """Yield settings that run on a cluster of so many workers; 0: one, in this process."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        LocalCluster(
            n_workers=max(1, workers),
            processes=workers > 0,
            threads_per_worker=1,
            local_directory=scratch,
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        ) as found,
        Client(found),
    ):
        yield RUN.model_copy(update={"scheduler": found.scheduler_address})


def stage(paths: Sequence[Path], what: str, nets: Networks, run: RunSettings) -> Callable[[], None]:
    """Return a call that runs the whole stage on some videos, from an empty cache."""
    ids = [f"v{n}" for n in range(len(paths))]
    table = pd.DataFrame({"video_id": ids, "path": [*map(str, paths)], "sha256": SHA256})

    def call() -> None:
        folder = Path(tempfile.mkdtemp())
        try:
            extract.extract(table, targets_of(what, nets, folder), run)
        finally:
            shutil.rmtree(folder)

    return call


def several_workers(paths: dict[int, Path], nets: Networks, setting: Setting) -> list[Row]:
    """Compare N workers with one on one core: the whole stage, both kinds of tokens."""
    rows, count = [], max(1, setting.workers)
    with (
        cluster(min(1, setting.workers)) as one,
        cluster(setting.workers) as many,
        ProcessPoolExecutor(count, get_context("spawn")) as pool,
    ):
        if setting.workers:
            with Client(one.scheduler) as client:
                client.run(os.sched_setaffinity, 0, {min(os.sched_getaffinity(0))})
        for height, path in paths.items():
            videos = [path] * setting.videos
            machine = ceiling(pool, count, path, nets)
            ways = {
                "one": stage(videos, "both", nets, one),
                "many": stage(videos, "both", nets, many),
            }
            times, cpu = apart(in_turns(ways, 1, clocks))
            alone(path, nets)  # warms up
            alone_s = alone(path, nets) * setting.videos
            size = f"{setting.videos} videos of {setting.seconds:g} s, {height} lines"
            name = f"both, {count} workers"
            rate = setting.videos / statistics.median(times["many"])
            rows += [
                Row(name, rate, "videos/s", "", size, nets.weights),
                Row(name, ratio(times, "one", "many") / count, "x",
                    f"{count} times one worker that is kept on one core", size, nets.weights,
                    ">= 0.9"),
                Row(f"{count} processes without a stage around them", machine, "x",
                    f"{count} times one such process", size, nets.weights),
                Row(f"{name}, processor time", statistics.median(cpu["many"]) / alone_s, "x",
                    "that of decoding and encoding alone", size, nets.weights, "<= 1.1"),
            ]  # fmt: skip
    return rows


def ceiling(pool: Executor, count: int, path: Path, nets: Networks) -> float:
    """Return how N processes that decode and encode compare with N times one."""

    def run(processes: int) -> None:
        done = [pool.submit(alone, path, nets) for _ in range(processes)]
        assert all(found.result() > 0 for found in done)

    run(2 * count)  # starts the processes, which load what they need
    times = in_turns({"one": lambda: run(1), "many": lambda: run(count)}, 3)
    return ratio(times, "one", "many")


def alone(path: Path, nets: Networks) -> float:
    """Return the processor seconds of a video without any of the stage around it."""
    spatial, temporal = nets.built("spatial"), nets.built("temporal")
    began = time.process_time()
    for chunk in chunks(path, nets.temporal.frames):
        spatial([chunk.key_frame])
        temporal([chunk.clip])
    return time.process_time() - began


def decoding(path: Path, nets: Networks, setting: Setting) -> list[Row]:
    """Compare what of a video is decoded: every frame as RGB, those of clips, key frames."""
    import av

    def every_frame(threads: int) -> None:
        with av.open(str(path)) as container:
            container.streams.video[0].codec_context.thread_count = threads
            container.streams.video[0].thread_type = "FRAME" if threads > 1 else "NONE"
            for frame in container.decode(video=0):
                frame.to_ndarray(format="rgb24")

    with closing(Decoder()) as decoder:

        def child() -> None:
            for _ in decoder.chunks(path, nets.temporal.frames, RUN):
                pass

        ways: dict[str, Callable[[], object]] = {
            "every frame to RGB": lambda: every_frame(1),
            "every frame to RGB, 2 threads": lambda: every_frame(2),
            f"clips of {nets.temporal.frames}": lambda: _count(path, nets.temporal.frames),
            f"clips of {nets.temporal.frames}, through the child": child,
            "key frames": lambda: _count(path, 0),
        }
        wall, cpu = apart(in_turns(ways, setting.turns, clocks))
    size, first = f"{path.stem} lines, 30 frames/s, {setting.seconds:g} s", "every frame to RGB"
    return [
        Row(f"decoding: {name}{what}", ratio(times, name, first), "x", f"{first}, one thread", size)
        for what, times in (("", wall), (", processor time", cpu))
        for name in ways
        if name != first
    ]


def _count(path: Path, frames: int) -> int:
    return sum(1 for _ in chunks(path, frames))


def encoding(path: Path, nets: Networks, setting: Setting) -> list[Row]:
    """Compare ways to run the same networks on the same frames in memory."""
    chunk = _copy(next(chunks(path, nets.temporal.frames)))
    spatial, temporal = nets.built("spatial"), nets.built("temporal")
    cores = len(os.sched_getaffinity(0))

    def on_all_cores(encode: Encoder, array: np.ndarray) -> None:
        torch.set_num_threads(cores)
        encode([array])
        torch.set_num_threads(1)

    small = np.stack(prepare.clip(chunk.clip, nets.temporal.frames, nets.temporal.size_px))
    wall, times = apart(
        in_turns(
            {
                "spatial": lambda: spatial([chunk.key_frame]),
                "temporal": lambda: temporal([chunk.clip]),
                "resized": lambda: temporal([small]),
                "spatial, threads": lambda: on_all_cores(spatial, chunk.key_frame),
                "temporal, threads": lambda: on_all_cores(temporal, chunk.clip),
            },
            3 * setting.turns,
            clocks,
        )
    )
    size = f"a second of {path.stem} lines"
    took = {name: 1000 * statistics.median(of) for name, of in times.items()}
    resize = [1 - b / a for a, b in zip(times["temporal"], times["resized"], strict=True)]
    return [
        Row("spatial encoder", took["spatial"], "core ms", "", size, nets.weights),
        Row("temporal encoder", took["temporal"], "core ms", "", size, nets.weights),
        Row("temporal encoder, resizing", 100 * statistics.median(resize), "%", "its time", size,
            nets.weights),
        *(
            Row(f"{kind} encoder, {cores} threads", ratio(wall, kind, f"{kind}, threads") / cores,
                "x", f"{cores} times one thread", size, nets.weights)
            for kind in ("spatial", "temporal")
        ),
    ]  # fmt: skip
