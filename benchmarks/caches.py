"""Reading token files against shards, and how fast a cache is verified. Prints Markdown tables.

    python benchmarks/caches.py read      # about a minute on two cores
    python benchmarks/caches.py verify    # about a minute

Caches of random tokens are made in a temporary folder (about 1 GB; TMPDIR chooses where) and read
from the page cache, so the figures are of the software, not of a disk. Times are the best of five.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.cache import TokenCache, Tokens, token_file, write_index, write_tokens
from pipeline.cache_tools.pack import pack
from pipeline.cache_tools.verify import check_batch, verify

FINGERPRINT = {"model": "benchmark", "random": True}
SHAPES = {  # tokens of a video, and how many videos
    "demo spatial (2, 2, 360)": ((2, 2, 360), 2000),
    "paper temporal (10, 2304)": ((10, 2304), 1000),
    "paper spatial (10, 257, 1024)": ((10, 257, 1024), 60),
}
REPEATS = 5


def make(folder: Path, shape: tuple[int, ...], count: int) -> Path:
    """Write a cache of random tokens."""
    rng = np.random.default_rng(0)
    videos = {f"v{n:05}": "0" * 64 for n in range(count)}
    for video_id in videos:
        tokens = Tokens(rng.normal(size=shape).astype(np.float16), np.arange(float(shape[0])))
        write_tokens(token_file(folder, video_id), tokens, FINGERPRINT, "0" * 64)
    write_index(folder, FINGERPRINT, videos)
    return folder


def best_s(task: Callable[[], object]) -> float:
    """Return the shortest of several times that a task takes, after one that is not counted."""
    task()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        task()
        times.append(time.perf_counter() - started)
    return min(times)


def read_all(folder: Path) -> float:
    """Return the seconds for reading a cache in random order, as training does."""
    cache = TokenCache(folder)
    order = np.random.default_rng(0).permutation(sorted(cache.videos)).tolist()
    return best_s(lambda: [cache.read(video_id) for video_id in order])


def read() -> pd.DataFrame:
    """Compare files and shards."""
    rows = []
    for name, (shape, count) in SHAPES.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = make(Path(scratch) / "x" / "spatial", shape, count)
            size = sum(path.stat().st_size for path in folder.glob("*.h5"))
            opened = best_s(lambda folder=folder: TokenCache(folder))
            files = read_all(folder)
            pack(folder)
            shard_size = sum(path.stat().st_size for path in folder.glob("shard-*"))
            opened_packed = best_s(lambda folder=folder: TokenCache(folder))
            shards = read_all(folder)
        rows.append(
            {
                "tokens of a video": name,
                "files, µs a video": f"{files / count * 1e6:.0f}",
                "shards, µs a video": f"{shards / count * 1e6:.0f}",
                "files / shards": f"{files / shards:.1f}",
                "bytes a video, file and shard": f"{size / count:.0f}, {shard_size / count:.0f}",
                "opening, ms": f"{opened * 1e3:.1f}, {opened_packed * 1e3:.1f}",
            }
        )
    return pd.DataFrame(rows)


def verifying() -> pd.DataFrame:
    """Compare threads and processes; one process is what 1 of either is."""
    rows = []
    for name, (shape, count) in SHAPES.items():
        count = max(count, 240)  # so many that processes are started
        for packed in (False, True):
            with tempfile.TemporaryDirectory() as scratch:
                folder = make(Path(scratch) / "x" / "spatial", shape, count)
                if packed:
                    pack(folder)
                size = sum(p.stat().st_size for p in folder.iterdir() if p.name != "index.json")
                row = {"tokens of a video": name, "packed": str(packed)}
                for how, task in ways(folder).items():
                    row[f"{how}, MB/s"] = f"{size / best_s(task) / 1e6:.0f}"
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
    found = tables[sys.argv[1]]()
    print("| " + " | ".join(found.columns) + " |")
    print("|" + "---|" * len(found.columns))
    for row in found.itertuples(index=False):
        print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
