"""What caches there are and what is in them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.atomic import TMP_PREFIX
from pipeline.cache import FAILURES, INDEX, CacheError, TokenCache


@dataclass(frozen=True)
class CacheLine:
    """One cache.

    Attributes:
        state: finished, unfinished, or what is wrong.
        videos: with tokens; of an unfinished cache, token files.
        shape: of one second's tokens, as `4 x 512`; several are joined by "or".
        fingerprint: first 12 digits of its hash.
        failures: videos in failures.csv.
        random: the encoder had random weights.
    """

    cache: str
    state: str
    videos: int = 0
    packed: int = 0
    chunks: int = 0
    shape: str = ""
    size_bytes: int = 0
    failures: int = 0
    encoder: str = ""
    fingerprint: str = ""
    random: bool = False
    imported: bool = False


def line(folder: Path) -> CacheLine:
    """Return what there is to say of a cache; reads heads, never tokens."""
    failures = folder / FAILURES
    failed = len(pd.read_csv(failures, dtype=str)) if failures.is_file() else 0
    if not (folder / INDEX).is_file():
        files = [p for p in folder.rglob("*.h5") if not p.name.startswith(TMP_PREFIX)]
        size = sum(path.stat().st_size for path in files)
        return CacheLine(
            str(folder), "unfinished", videos=len(files), size_bytes=size, failures=failed
        )
    try:
        cache = TokenCache(folder)
        with ThreadPoolExecutor() as pool:
            shapes = list(pool.map(cache.shape, cache.videos))
            size = sum(pool.map(cache.size_bytes, cache.videos))
    except (CacheError, OSError) as error:
        return CacheLine(str(folder), str(error), failures=failed)
    seconds = sorted({" x ".join(map(str, shape[1:])) for shape in shapes})
    return CacheLine(
        cache=str(folder),
        state="finished",
        videos=len(cache.videos),
        packed=len(cache.packed),
        chunks=sum(shape[0] for shape in shapes),
        shape=" or ".join(seconds),
        size_bytes=size,
        failures=failed,
        encoder=str(cache.fingerprint.get("model", "not stated")),
        fingerprint=cache.fingerprint_sha256[:12],
        random=cache.random,
        imported=cache.source is not None,
    )


def table(lines: list[CacheLine]) -> str:
    """Return caches as a plain table."""
    head = ("cache", "state", "videos", "seconds", "numbers", "size", "failed", "encoder", "print")
    rows = [
        (
            *(item.cache, item.state + (", packed" if item.packed else "")),
            *(str(item.videos), str(item.chunks), item.shape, human(item.size_bytes)),
            *(str(item.failures), _encoder(item), item.fingerprint),
        )
        for item in lines
    ]
    return aligned([head, *rows]) if rows else "no token cache here; run `lmm-vqa extract DATASET`"


def _encoder(item: CacheLine) -> str:
    notes = ["RANDOM WEIGHTS"] * item.random + ["imported"] * item.imported
    return item.encoder + (f" ({', '.join(notes)})" if notes else "")


def aligned(rows: list[tuple[str, ...]]) -> str:
    """Return rows as columns of equal width."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def human(size_bytes: float) -> str:
    """Return a number of bytes for people.

    >>> human(1_234_567)
    '1.2 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000 or unit == "GB":
            return f"{size_bytes:.0f} B" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    raise AssertionError
