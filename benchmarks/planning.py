"""How long a plan takes: synthetic caches of 10 to a million small token files. Prints Markdown.

    python benchmarks/planning.py [ROWS ...]     # a million files need 4 GB of disk and minutes

The manifest is read from CSV as the stage does. "Nothing known" is the plan after the journal was
lost, or DVC has restored the files: each is opened and read.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline import journal, manifest
from pipeline.cache import Tokens, fingerprint_sha256, token_name, write_tokens
from pipeline.encode import Target, encoder, fingerprint
from pipeline.plan import plan
from pipeline.settings import RunSettings, SpatialSettings

RUN = RunSettings(scheduler="none", device="cpu")
SETTINGS = SpatialSettings(
    model="efficientnet_lite0", pretrained="random", layers=(1,), grid=1, frame="whole", size_px=32
)
READ_ALL_UP_TO = 100_000


def write_manifest(path: Path, rows: int) -> None:
    """Write a manifest of v0000000, v0000001, ... in sub-folders of a thousand."""
    ids = [f"b{row // 1000:04d}/v{row:07d}" for row in range(rows)]
    columns: dict[str, object] = dict.fromkeys(manifest.COLUMNS, "")
    columns |= dict.fromkeys(manifest.NUMBER_COLUMNS, 1.0)
    columns |= {"video_id": ids, "path": [f"{i}.mp4" for i in ids], "sha256": "0" * 64}
    manifest.write(path, pd.DataFrame(columns))


def write_cache(target: Target, rows: int) -> None:
    """Fill a cache with copies of one token file; copies, since a link would share its stamp."""
    made = fingerprint(target.settings, encoder(target.settings, "cpu"))
    first = target.folder / "first.bin"
    write_tokens(first, Tokens(np.ones((1, 8), np.float16), np.zeros(1)), made, "0" * 64)
    content = first.read_bytes()
    first.unlink()
    for row in range(rows):
        path = target.folder / token_name(f"b{row // 1000:04d}/v{row:07d}")
        if row % 1000 == 0:
            path.parent.mkdir()
        path.write_bytes(content)
    files, _ = journal.scan(target.folder)
    wanted = fingerprint_sha256(made)
    journal.rewrite(
        target.folder, {n: journal.entry(found, wanted, "0" * 64) for n, found in files.items()}
    )


def timed(table: Path, target: Target, cached: int, todo: int) -> str:
    """Read the manifest, plan, check what was found, and return the seconds as text."""
    started = time.perf_counter()
    planned = plan(manifest.read(table), (target,), RUN)
    took_s = time.perf_counter() - started
    assert (planned.current, len(planned.jobs)) == (cached, todo), planned
    return f"{took_s:.2f}"


def main(counts: list[int]) -> None:
    """Print a table row per count."""
    encoder(SETTINGS, "cpu")  # loading it is not planning
    print("| rows | nothing cached, s | all cached, s | nothing known, s |")
    print("|---|---|---|---|", flush=True)
    for rows in counts:
        folder = Path(tempfile.mkdtemp(prefix="planning-", dir=os.environ.get("TMPDIR")))
        table, target = folder / "manifest.csv", Target(SETTINGS, folder / "spatial")
        write_manifest(table, rows)
        empty = timed(table, target, 0, rows)
        write_cache(target, rows)
        cached = timed(table, target, rows, 0)
        journal.path_of(target.folder).unlink()
        unknown = timed(table, target, rows, 0) if rows <= READ_ALL_UP_TO else "not run"
        print(f"| {rows:,} | {empty} | {cached} | {unknown} |", flush=True)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main([int(count) for count in sys.argv[1:]] or [10, 1000, 100_000, 1_000_000])
