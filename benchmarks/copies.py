"""A data set of any size for `benchmarks.reruns`: its manifest, and a cache of copies of a file."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measure import SHA256, made_up_video
from pipeline import journal, layout, manifest
from pipeline.cache import Tokens, fingerprint_sha256, token_name, write_index, write_tokens
from pipeline.encode import Target, encoder, fingerprint
from pipeline.settings import SpatialSettings

SETTINGS = SpatialSettings(
    model="efficientnet_lite0", pretrained="random", layers=(1,), grid=1, frame="whole", size_px=32
)
OTHER = SETTINGS.model_copy(update={"layers": (2,)})


def write_manifest(path: Path, rows: int) -> None:
    """Write a manifest of v0000000, v0000001, ... in sub-folders of a thousand."""
    ids = [f"b{row // 1000:04d}/v{row:07d}" for row in range(rows)]
    columns: dict[str, object] = dict.fromkeys(manifest.COLUMNS, "")
    columns |= dict.fromkeys(manifest.NUMBER_COLUMNS, 1.0)
    columns |= {"video_id": ids, "path": [f"{i}.mp4" for i in ids], "sha256": SHA256}
    manifest.write(path, pd.DataFrame(columns))


def write_cache(target: Target, rows: int) -> None:
    """Fill a cache with copies of one token file; copies, since a link would share its stamp."""
    made = fingerprint(target.settings, encoder(target.settings, "cpu"))
    target.folder.mkdir(parents=True)
    first = target.folder / "first.bin"
    write_tokens(first, Tokens(np.ones((1, 8), np.float16), np.zeros(1)), made, SHA256)
    content = first.read_bytes()
    first.unlink()
    ids = [f"b{row // 1000:04d}/v{row:07d}" for row in range(rows)]
    for row, video_id in enumerate(ids):
        path = target.folder / token_name(video_id)
        if row % 1000 == 0:
            path.parent.mkdir()
        path.write_bytes(content)
    files, _ = journal.scan(target.folder)
    wanted = fingerprint_sha256(made)
    journal.rewrite(
        target.folder, {n: journal.entry(found, wanted, SHA256) for n, found in files.items()}
    )
    write_index(target.folder, made, dict.fromkeys(ids, SHA256))


@contextmanager
def synthetic(rows: int) -> Iterator[tuple[Path, Target]]:
    """Yield manifest and target of a data set in a scratch folder, the cwd meanwhile."""
    folder = Path(tempfile.mkdtemp(prefix="reruns-", dir=os.environ.get("TMPDIR")))
    try:
        with chdir(folder):
            table, target = (
                layout.manifest("mine"),
                Target(SETTINGS, layout.cache("mine", "spatial")),
            )
            table.parent.mkdir(parents=True)
            write_manifest(table, rows)
            yield table, target
    finally:
        shutil.rmtree(folder)


def clips(table: Path, height: int, seconds: float) -> None:
    """Write the videos of a manifest: links to one made-up clip."""
    clip = made_up_video(Path("clip.mp4"), height, seconds)
    for name in manifest.read(table)["path"]:
        path = Path(name)
        path.parent.mkdir(exist_ok=True)
        os.link(clip, path)
