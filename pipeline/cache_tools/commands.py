"""`lmm-vqa cache ...`: looking after token caches."""

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import typer

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CACHE...",
        help="DATASET, DATASET/spatial, DATASET/temporal or a folder; none: all of the project",
    ),
]
Cache = Annotated[str, typer.Argument(metavar="CACHE", help="DATASET/KIND or a folder")]
Json = Annotated[bool, typer.Option("--json", help="print JSON instead of text")]

log = logging.getLogger(__name__)

# What changes a folder holds its journal's lock: never while an extraction fills it.
app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Look after token caches: list, verify, compare, tidy up, pack, export.",
)


@app.command()
def ls(names: Names = None, as_json: Json = False) -> None:
    """List caches: state, videos, seconds, size, failures, encoder, fingerprint."""
    from pipeline.cache_tools import find
    from pipeline.cache_tools.ls import line, table

    lines = [line(folder) for folder in find.caches(names or [])]
    print(_json(lines) if as_json else table(lines))


@app.command()
def verify(
    names: Names = None,
    with_manifest: Annotated[
        bool, typer.Option("--manifest", help="also compare with the data set's manifest.csv")
    ] = False,
    discard: Annotated[
        bool, typer.Option("--discard", help="remove what is bad, so that its stage redoes it")
    ] = False,
    workers: Annotated[int, typer.Option(help="processes; 0: one per core for large caches")] = 0,
    as_json: Json = False,
) -> None:
    """Read everything: checksums, hashes, shapes, finiteness. Exit code 1 if anything is bad."""
    from pipeline import journal, manifest
    from pipeline.cache_tools import find
    from pipeline.cache_tools import verify as tool

    found = []
    for folder in find.caches(names or []):
        table = manifest.read(folder.parent / "manifest.csv") if with_manifest else None
        found.append(tool.verify(folder, table, workers))
        if not as_json:
            print(tool.summary(found[-1]))
        if discard and not found[-1].good:
            with journal.writing(folder):
                log.info("%s: removed %d; run its stage now", folder, tool.discard(found[-1]))
    if as_json:
        print(_json(found))
    if not all(item.good for item in found):
        raise typer.Exit(1)


@app.command()
def diff(a: Cache, b: Cache, as_json: Json = False) -> None:
    """Compare two caches video by video. Exit code 0 if they are equal, 1 if they differ."""
    from pipeline.cache_tools import diff as tool
    from pipeline.cache_tools import find

    found = tool.diff(find.one_cache(a), find.one_cache(b))
    print(_json(found) if as_json else tool.summary(found))
    if not found.equal:
        raise typer.Exit(1)


@app.command()
def prune(
    names: Names = None,
    yes: Annotated[bool, typer.Option("--yes", help="remove; without it, only say what")] = False,
    as_json: Json = False,
) -> None:
    """Find, and with --yes remove, files of videos that the manifest lacks and half-written ones.

    Temporary files younger than ten minutes are left to whoever writes them.
    """
    from pipeline import journal, manifest
    from pipeline.cache_tools import find
    from pipeline.cache_tools import prune as tool

    found = []
    for folder in find.caches(names or []):
        found.append(tool.waste(folder, manifest.read(folder.parent / "manifest.csv")))
        if yes:
            with journal.writing(folder):
                tool.remove(found[-1])
        if not as_json:
            print(tool.summary(found[-1], yes))
    if as_json:
        print(_json(found))


@app.command()
def pack(names: Names = None) -> None:
    """Move token files into shards of about 1 GB, read through the same cache.

    For network file systems and more than 50,000 videos. Not while something reads the cache. The
    stage treats packed videos as done, and puts new ones beside the shards; pack again then.
    """
    from pipeline import journal
    from pipeline.cache_tools import find
    from pipeline.cache_tools import pack as tool

    for folder in find.caches(names or []):
        with journal.writing(folder):
            done = tool.pack(folder)
        log.info(
            "%s: %d videos into %d shards, %d files removed",
            *(folder, done.videos, done.shards, done.removed),
        )


@app.command()
def unpack(names: Names = None) -> None:
    """Turn shards back into one file per video."""
    from pipeline import journal
    from pipeline.cache import TokenCache
    from pipeline.cache_tools import find
    from pipeline.cache_tools import pack as tool

    for folder in find.caches(names or []):
        cache = TokenCache(folder)
        with journal.writing(folder):
            for shard in sorted({place.shard for place in cache.packed.values()}):
                tool.unpack(cache, shard)
        log.info("%s: %d videos unpacked", folder, len(cache.packed))


@app.command()
def export(
    cache: Cache,
    to: Annotated[Path, typer.Argument(help="a folder that is not there yet")],
    form: Annotated[str, typer.Option("--format", help="safetensors or zarr")] = "safetensors",
) -> None:
    """Write a cache as safetensors (a file per video) or as one zarr store."""
    from pipeline.cache_tools import export as tool
    from pipeline.cache_tools import find

    if form not in ("safetensors", "zarr"):
        raise typer.BadParameter(f"{form!r}; wanted safetensors or zarr", param_hint="--format")
    count = tool.export(find.one_cache(cache), to, cast(tool.Format, form))
    log.info("%s: %d videos", to, count)


def _json(found: Any) -> str:
    return json.dumps(_plain(found), indent=1, default=str)


def _plain(found: Any) -> Any:
    if is_dataclass(found) and not isinstance(found, type):
        return asdict(found)
    if isinstance(found, Iterable):
        return [_plain(item) for item in found]
    return found
