"""The extraction stage on several workers against one that is kept on one core.

The one is given a share of the videos, so that each worker of either has as many: a run's start and
end then weigh the same. Each kind of tokens by itself at the fewest lines; both, which is what
`lmm-vqa extract` makes, at all.

Beside it stands what the machine itself gives: N processes that decode and encode, with no stage
around them. All that needs cores that have no other work.
"""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
from distributed import Client, LocalCluster

from benchmarks.measure import (
    KINDS,
    RUN,
    SHA256,
    Networks,
    Row,
    apart,
    clocks,
    in_turns,
    ratio,
)
from pipeline import extract
from pipeline.cache import Kind
from pipeline.settings import RunSettings
from pipeline.video import chunks, probe


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


def stage(
    paths: Sequence[Path], kinds: Sequence[Kind], nets: Networks, run: RunSettings
) -> Callable[[], None]:
    """Return a call that runs the whole stage on some videos, from an empty cache."""
    ids = [f"v{n}" for n in range(len(paths))]
    long = {path: probe(path).duration_s for path in set(paths)}
    table = pd.DataFrame({"video_id": ids, "path": [*map(str, paths)], "sha256": SHA256})
    table["duration_s"] = [long[path] for path in paths]

    def call() -> None:
        folder = Path(tempfile.mkdtemp())
        try:
            extract.extract(table, nets.targets(kinds, folder), run)
        finally:
            shutil.rmtree(folder)

    return call


def several_workers(
    paths: Mapping[int, Path],
    nets: Networks,
    workers: int,
    videos: int,
    seconds: float,
    turns: int,
) -> list[Row]:
    """Compare N workers with one on one core: the whole stage.

    Args:
        paths: a video by its height.
        workers: N; 0: one, in this process.
        videos: how many each worker is given: a run has a start and an end, too.
        seconds: that a video lasts.
        turns: of each comparison, after a short one that warms up.
    """
    rows, count = [], max(1, workers)
    with (
        cluster(min(1, workers)) as one,
        cluster(workers) as many,
        ProcessPoolExecutor(count, get_context("spawn")) as pool,
    ):
        if workers:
            with Client(one.scheduler) as client:
                client.run(os.sched_setaffinity, 0, {min(os.sched_getaffinity(0))})
        for height, path in paths.items():
            size = f"{count * videos} videos of {seconds:g} s, {height} lines"
            asked = {"both": KINDS} | (
                {kind: (kind,) for kind in KINDS} if height == min(paths) else {}
            )
            for what, kinds in asked.items():
                for run, number in ((one, 1), (many, count)):
                    stage([path] * number, kinds, nets, run)()  # warms up
                ways = {
                    "one": stage([path] * videos, kinds, nets, one),
                    "many": stage([path] * videos * count, kinds, nets, many),
                }
                times, cpu = apart(in_turns(ways, turns, clocks, warm=True))
                name = f"{what}, {count} workers"
                rate = count * videos / statistics.median(times["many"])
                # of as many videos each: one takes as long as many if nothing is lost
                rows += [
                    Row(name, rate, "videos/s by the wall clock", "", size, nets.weights),
                    Row(name, ratio(times, "one", "many"), "x",
                        f"{count} times one worker that is kept on one core", size, nets.weights,
                        ">= 0.9"),
                ]  # fmt: skip
                if kinds == KINDS:
                    alone(path, nets)  # warms up
                    alone_s = alone(path, nets) * count * videos
                    rows.append(
                        Row(f"{name}, processor time", statistics.median(cpu["many"]) / alone_s,
                            "x", "that of decoding and encoding alone", size, nets.weights,
                            "<= 1.1")
                    )  # fmt: skip
            rows.append(
                Row(f"{count} processes without a stage around them, both",
                    ceiling(pool, count, path, nets), "x", f"{count} times one such process",
                    f"a video of {seconds:g} s each, {height} lines", nets.weights)
            )  # fmt: skip
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
