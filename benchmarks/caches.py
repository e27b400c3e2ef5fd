"""Reading token files against shards, and how fast a cache is verified. Prints Markdown tables.

    python benchmarks/caches.py read      # about a minute on two cores
    python benchmarks/caches.py verify    # a few minutes

Caches of random tokens are made in a temporary folder (about 1 GB; TMPDIR chooses where) and read
from the page cache, so the figures are of the software, not of a disk. Times are the best of three.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.cache import TokenCache, Tokens, token_file, write_index, write_tokens
from pipeline.cache_tools.pack import pack
from pipeline.cache_tools.verify import check_batch, verify

FINGERPRINT = {"model": "benchmark", "random": True}
SHAPES = {  # tokens of a video, and how many videos
    "demo spatial (2, 2, 360)": ((2, 2, 360), 1000),
    "paper temporal (10, 2304)": ((10, 2304), 500),
    "paper spatial (10, 257, 1024)": ((10, 257, 1024), 40),
}
REPEATS = 3


def make(folder: Path, shape: tuple[int, ...], count: int) -> Path:
    """Write a cache of random tokens."""
    rng = np.random.default_rng(0)
    videos = {f"v{n:05}": "0" * 64 for n in range(count)}
    for video_id in videos:
        tokens = Tokens(rng.normal(size=shape).astype(np.float16), np.arange(float(shape[0])))
        write_tokens(token_file(folder, video_id), tokens, FINGERPRINT, "0" * 64)
    write_index(folder, FINGERPRINT, videos)
    return folder


def best_s(tasks: Sequence[Callable[[], object]], clock: Callable[[], float]) -> list[float]:
    """Return the shortest of several times of each task; the first turn is not counted.

    Taken in turns, so that all meet the same machine.
    """
    times: list[list[float]] = []
    for _ in range(REPEATS + 1):
        times.append([])
        for task in tasks:
            started = clock()
            task()
            times[-1].append(clock() - started)
    return [min(of_task) for of_task in zip(*times[1:], strict=True)]


def read_all(cache: TokenCache, order: list[str]) -> None:
    """Read a cache in random order, as training does."""
    for video_id in order:
        cache.read(video_id)


def read() -> pd.DataFrame:
    """Compare files and shards, in processor time: it counts the kernel's part, not the wait."""
    rows = []
    for name, (shape, count) in SHAPES.items():
        with tempfile.TemporaryDirectory() as scratch:
            loose = make(Path(scratch) / "x" / "loose", shape, count)
            packed = Path(shutil.copytree(loose, loose.with_name("packed")))
            pack(packed)
            folders = {"files": loose, "shards": packed}
            caches = [TokenCache(folder) for folder in folders.values()]
            order = np.random.default_rng(0).permutation(sorted(caches[0].videos)).tolist()
            clock = time.process_time
            opening = best_s([partial(TokenCache, folder) for folder in folders.values()], clock)
            reading = best_s([partial(read_all, cache, order) for cache in caches], clock)
            sizes = [sum(p.stat().st_size for p in f.iterdir()) for f in folders.values()]
        row = {"tokens of a video": name}
        for how, took, opened, size in zip(folders, reading, opening, sizes, strict=True):
            row[f"{how}: µs a video"] = f"{took / count * 1e6:.0f}"
            row[f"{how}: opening, ms"] = f"{opened * 1e3:.1f}"
            row[f"{how}: bytes a video"] = f"{size / count:.0f}"
        rows.append({**row, "files / shards": f"{reading[0] / reading[1]:.1f}"})
    return pd.DataFrame(rows)


def verifying() -> pd.DataFrame:
    """Compare threads and processes; one process is what 1 of either is."""
    rows = []
    for name, (shape, count) in SHAPES.items():
        count = max(count, 240)
        for packed in (False, True):
            with tempfile.TemporaryDirectory() as scratch:
                folder = make(Path(scratch) / "x" / "spatial", shape, count)
                if packed:
                    pack(folder)
                size = sum(p.stat().st_size for p in folder.iterdir() if p.name != "index.json")
                found = ways(folder)
                row = {"tokens of a video": name, "packed": str(packed)}
                for how, took in zip(
                    found, best_s(list(found.values()), time.perf_counter), strict=True
                ):
                    row[f"{how}, MB/s"] = f"{size / took / 1e6:.0f}"
                rows.append(row)
    return pd.DataFrame(rows)


def ways(folder: Path) -> dict[str, Callable[[], object]]:
    """Return ways of checking a whole cache."""
    cache, cores = TokenCache(folder), len(os.sched_getaffinity(0))
    ids = sorted(cache.videos)

    def threads() -> None:
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(lambda video_id: check_batch(cache, [video_id]), ids))

    return {
        "one process": lambda: verify(folder, workers=1),
        f"{cores} threads": threads,
        f"{cores} processes": lambda: verify(folder, workers=cores),
    }


def main() -> None:
    """Print the table that is asked for."""
    tables = {"read": read, "verify": verifying}
    if len(sys.argv) != 2 or sys.argv[1] not in tables:
        sys.exit(__doc__)
    print(tables[sys.argv[1]]().to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
