"""The extraction stage against its limits: decoding alone, encoding alone, the machine's cores.

One worker is an encoding process and its decoder, so with two cores both can be busy at once. Its
time is compared with the larger of the two parts, each measured alone in the same turn: 1.0 is
perfect overlap. `benchmarks.workers` has several workers, `benchmarks.encoding` other ways to run
the same networks. All that needs cores that have no other work. Processor time does not: it is
that of the worker, its decoder and all beside them.
"""

import os
import statistics
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks import encoding
from benchmarks.measure import (
    KINDS,
    RUN,
    SHA256,
    Networks,
    Row,
    apart,
    clocks,
    copied,
    in_turns,
    made_up_video,
    networks,
    ratio,
)
from benchmarks.workers import several_workers
from pipeline.cache import Kind
from pipeline.decoder import Decoder
from pipeline.encode import Job, Video, encode_video, fingerprint
from pipeline.video import chunks

ASKED: dict[str, tuple[Kind, ...]] = {
    "spatial": ("spatial",),
    "temporal": ("temporal",),
    "both": KINDS,
}


@dataclass(frozen=True)
class Setting:
    """How much is measured."""

    heights: tuple[int, ...] = (270, 720, 1080)
    seconds: float = 8  # as most videos of LSVQ and KoNViD-1k are long
    turns: int = 2
    videos: int = 4  # for each of several workers: a stage has a start and an end, too
    workers: int = len(os.sched_getaffinity(0))  # 0: one, in this process
    batches_s: tuple[int, ...] = (1, 4, 16)  # of the networks alone


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
        rows += several_workers(
            paths, nets, setting.workers, setting.videos, setting.seconds, setting.turns
        )
        rows += decoding(paths[max(paths)], nets, setting)
        for path in paths.values():
            rows += encoding.encoders(path, nets, 3 * setting.turns)
        rows += encoding.batches(paths[min(paths)], nets, setting.batches_s, setting.turns)
    return rows


def one_worker(path: Path, what: str, nets: Networks, setting: Setting) -> list[Row]:
    """Compare one worker with its parts, alone."""
    with tempfile.TemporaryDirectory() as scratch, closing(Decoder()) as decoder:
        targets = nets.targets(ASKED[what], Path(scratch))
        for target in targets:
            target.folder.mkdir()
        encoders = [nets.built(target.kind) for target in targets]
        prints = tuple(fingerprint(t.settings, e) for t, e in zip(targets, encoders, strict=True))
        frames = max(target.clip_frames for target in targets)
        in_memory = [copied(chunk) for chunk in chunks(path, frames)]
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
