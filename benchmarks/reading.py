"""Reading token caches for training: files and shards, cold and warm, against `cat` and memcpy.

    python -m benchmarks.reading verify    # figures of `cache verify` in docs/cache.md

Caches of random tokens are made in a temporary folder (TMPDIR chooses where). Warm: all is in the
page cache, so the figure is of the software. Cold: the page cache is emptied of the files before
each run; what the disk or a host under it still remembers is beyond that. `cat` is a program of its
own: what starting it takes, `cat /dev/null` in the same turns, is taken off, and warm it reads
small caches over and over, so that little of its time is that.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from torch.utils.data import DataLoader, Dataset

from benchmarks.measure import Row, in_turns, made_up_video, networks, ratio
from pipeline.cache import TokenCache, Tokens, token_file, write_index, write_tokens
from pipeline.cache_tools.pack import pack
from pipeline.cache_tools.verify import check_batch, verify
from pipeline.encode import encoder
from pipeline.video import chunks

FINGERPRINT = {"model": "benchmark", "random": True}
CAT_BYTES = 50_000_000  # at least, that `cat` reads, warm
START = "cat of nothing"
SHAPES = {  # tokens of a video, and how many videos
    "demo spatial (2, 2, 352)": ((2, 2, 352), 1000),
    "paper temporal (10, 2304)": ((10, 2304), 500),
    "paper spatial (10, 257, 1024)": ((10, 257, 1024), 40),
}


@dataclass(frozen=True)
class Setting:
    """How much is measured; sizes by their name in SHAPES."""

    shapes: tuple[str, ...] = tuple(SHAPES)
    share: float = 1.0  # of each shape's videos
    turns: int = 5
    loaders: tuple[int, ...] = (0, 2, 4)
    grid: int = 7  # of the real tokens that are compressed


def make(folder: Path, shape: tuple[int, ...], count: int) -> Path:
    """Write a cache of random tokens."""
    rng = np.random.default_rng(0)
    videos = {f"v{n:05}": "0" * 64 for n in range(count)}
    for video_id in videos:
        tokens = Tokens(rng.normal(size=shape).astype(np.float16), np.arange(float(shape[0])))
        write_tokens(token_file(folder, video_id), tokens, FINGERPRINT, "0" * 64)
    write_index(folder, FINGERPRINT, videos)
    return folder


class Videos(Dataset[np.ndarray]):
    """Whole videos of a cache, as training reads them."""

    def __init__(self, cache: TokenCache, order: Sequence[str]) -> None:
        self._cache, self._order = cache, order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, place: int) -> np.ndarray:
        return self._cache.read(self._order[place]).tokens


def measure(setting: Setting | None = None) -> list[Row]:
    """Return the figures of this group."""
    setting = setting or Setting()
    rows: list[Row] = []
    for name in setting.shapes:
        shape, count = SHAPES[name]
        count = max(4, round(count * setting.share))
        with tempfile.TemporaryDirectory() as scratch:
            files = make(Path(scratch) / "x" / "files", shape, count)
            packed = Path(shutil.copytree(files, files.with_name("shards")))
            pack(packed)
            size = f"{count} videos of {name}, float16"
            rows += warm_and_cold(files, packed, size, setting)
            if name.startswith("paper spatial"):
                rows += loaders(files, packed, size, setting)
    return rows + layouts(setting)


def warm_and_cold(files: Path, packed: Path, size: str, setting: Setting) -> list[Row]:
    """Compare ways to read all videos with `cat` and memcpy of as many bytes."""
    caches = {"files": TokenCache(files), "shards": TokenCache(packed)}
    ids = sorted(caches["files"].videos)
    shuffled = np.random.default_rng(0).permutation(ids).tolist()
    read_bytes = sum(caches["files"].read(i).tokens.nbytes for i in ids)
    source = np.ones(read_bytes, np.uint8)
    target = np.empty_like(source)
    ways: dict[str, Callable[[], object]] = {
        f"{kind}, {order}": lambda c=cache, o=ids if order == "in order" else shuffled: read_all(
            c, o
        )
        for kind, cache in caches.items()
        for order in ("random", "in order")
    }
    again = -(-CAT_BYTES // read_bytes)
    named = {"files": sorted(files.glob("*.h5")), "shards": sorted(packed.glob("shard-*"))}
    rows = a_video(caches, shuffled, size, setting)
    for state in ("warm", "cold"):
        repeats = again if state == "warm" else 1  # cold only once
        cats = {f"cat of {kind}": lambda p=p, n=repeats: cat(p * n) for kind, p in named.items()}
        every = {**ways, **cats, START: lambda: cat([Path(os.devnull)])}
        if state == "warm":
            copying = {"memcpy": lambda: np.copyto(target, source)}
            times = in_turns({**every, **copying}, setting.turns)
        else:
            times = in_turns(every, setting.turns, before=lambda: forget(files, packed))
        start_s = statistics.median(times.pop(START))
        for name in cats:
            times[name] = [max(took - start_s, 1e-6) / repeats for took in times[name]]
        for name in times:
            rate = read_bytes / statistics.median(times[name]) / 1e9
            rows.append(Row(f"{name}, {state}", rate, "GB/s", "", size))
        for kind in caches:
            rows.append(
                Row(
                    f"{kind}, random, {state}",
                    ratio(times, f"cat of {kind}", f"{kind}, random"),
                    "x",
                    f"`cat` of the same {kind}",
                    size,
                    goal=">= 0.7",
                )
            )
    return rows


def a_video(
    caches: Mapping[str, TokenCache], order: Sequence[str], size: str, setting: Setting
) -> list[Row]:
    """Return what one read costs the processor, opening and checksums included."""
    ways = {kind: lambda c=cache: read_all(c, order) for kind, cache in caches.items()}
    times = in_turns(ways, setting.turns, time.process_time)
    return [
        Row(
            f"{kind}, random, warm: a video",
            1e6 * statistics.median(of) / len(order),
            "µs",
            "",
            size,
        )
        for kind, of in times.items()
    ]


def read_all(cache: TokenCache, order: Sequence[str]) -> None:
    """Read a cache in the given order."""
    for video_id in order:
        cache.read(video_id)


def cat(paths: Sequence[Path]) -> None:
    """Read files of one folder as fast as a program does that looks at nothing."""
    # bare names: thousands of whole paths are longer than what a program may be given
    names, folder = [path.name for path in paths], paths[0].parent
    subprocess.run(["cat", *names], cwd=folder, stdout=subprocess.DEVNULL, check=True)


def forget(*folders: Path) -> None:
    """Empty the page cache of the files of some folders."""
    for folder in folders:
        for path in folder.iterdir():
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def loaders(files: Path, packed: Path, size: str, setting: Setting) -> list[Row]:
    """Compare numbers of loader workers that hand batches of four to training."""
    rows = []
    for kind, folder in (("files", files), ("shards", packed)):
        cache = TokenCache(folder)
        order = np.random.default_rng(0).permutation(sorted(cache.videos)).tolist()
        seconds = {}
        for workers in setting.loaders:
            loader = DataLoader(
                Videos(cache, order),
                batch_size=4,
                num_workers=workers,
                persistent_workers=workers > 0,
            )
            seconds[workers] = in_turns({"x": lambda of=loader: [*of]}, max(1, setting.turns // 2))
        tokens = sum(int(np.prod(cache.shape(i)[:-1])) for i in order)
        for workers, times in seconds.items():
            rate = tokens / statistics.median(times["x"])
            rows.append(Row(f"{kind}, {workers} loader workers", rate, "tokens/s", "", size))
    return rows


def layouts(setting: Setting) -> list[Row]:
    """Compare compression and float32 with what is written: size, and time of reading."""
    nets = networks()
    settings = nets.spatial.model_copy(update={"grid": setting.grid})
    with tempfile.TemporaryDirectory() as scratch:
        clip = made_up_video(Path(scratch) / "clip.mp4", 540, 4)
        tokens = encoder(settings, "cpu")([chunk.key_frame for chunk in chunks(clip, 0)])
        ways = {
            "as written": {"fletcher32": True},
            "float32": {"fletcher32": True, "dtype": "f4"},
            "lzf": {"compression": "lzf", "shuffle": True, "fletcher32": True},
            "gzip 4": {
                "compression": "gzip",
                "compression_opts": 4,
                "shuffle": True,
                "fletcher32": True,
            },
        }
        paths = {name: Path(scratch) / f"{n}.h5" for n, name in enumerate(ways)}
        for name, options in ways.items():
            with h5py.File(paths[name], "w", libver="latest") as file:
                file.create_dataset("tokens", data=tokens, chunks=(1, *tokens.shape[1:]), **options)

        def read(path: Path) -> None:
            for _ in range(20):
                with h5py.File(path) as file:
                    file["tokens"][:]

        times = in_turns(
            {name: lambda p=path: read(p) for name, path in paths.items()}, setting.turns
        )
        sizes = {name: path.stat().st_size for name, path in paths.items()}
    size = f"tokens {tokens.shape} of a made-up clip"
    rows = []
    for name in [*ways][1:]:
        against = "as written (float16, fletcher32)"
        share = sizes[name] / sizes["as written"]
        rows.append(Row(f"{name}: bytes", share, "x", against, size, nets.weights))
        slower = ratio(times, name, "as written")
        rows.append(Row(f"{name}: time to read, warm", slower, "x", against, size, nets.weights))
    return rows


def verifying() -> pd.DataFrame:
    """Compare threads and processes; one process is what 1 of either is."""
    rows = []
    for name, (shape, count) in SHAPES.items():
        for packed in (False, True):
            with tempfile.TemporaryDirectory() as scratch:
                folder = make(Path(scratch) / "x" / "spatial", shape, max(count, 240))
                if packed:
                    pack(folder)
                size = sum(p.stat().st_size for p in folder.iterdir() if p.name != "index.json")
                times = in_turns(ways_to_verify(folder), 3)
            row = {"tokens of a video": name, "packed": str(packed)}
            row |= {f"{how}, MB/s": f"{size / min(took) / 1e6:.0f}" for how, took in times.items()}
            rows.append(row)
    return pd.DataFrame(rows)


def ways_to_verify(folder: Path) -> dict[str, Callable[[], object]]:
    """Return ways of checking a whole cache."""
    cache, cores = TokenCache(folder), len(os.sched_getaffinity(0))

    def threads() -> None:
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(lambda video_id: check_batch(cache, [video_id]), sorted(cache.videos)))

    return {
        "one process": lambda: verify(folder, workers=1),
        f"{cores} threads": threads,
        f"{cores} processes": lambda: verify(folder, workers=cores),
    }


if __name__ == "__main__":
    if sys.argv[1:] != ["verify"]:
        sys.exit(__doc__)
    print(verifying().to_markdown(index=False, disable_numparse=True))
