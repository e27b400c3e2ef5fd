"""Damage to a shard is found before a plan is made, as damage to a token file is by the plan."""

import logging
from pathlib import Path
from typing import TextIO

from pipeline import journal, shards
from pipeline.cache import INDEX, CacheError, TokenCache, Tokens
from pipeline.cache_tools.pack import unpack
from pipeline.progress import bar
from pipeline.shards import Place
from pipeline.tokens import check_content

log = logging.getLogger(__name__)


def mend(folder: Path, lines: TextIO) -> dict[str, str]:
    """Read the shards that are not as the journal knows them, and take out what is damaged.

    A video whose tokens are damaged has none afterwards, so the stage makes them anew; the others
    of its shard become files. A shard that is as it was last seen is not read.

    Args:
        folder: of a cache; its lock is held.
        lines: its journal; what was read and found whole is noted there.

    Returns:
        the journal's entries of the shards that are left, by name.

    Raises:
        CacheError: if tokens of a damaged shard cannot be written as files.
    """
    seen, known = journal.read(folder), {}
    for path in shards.listed(folder):
        line = journal.entry(journal.stamp(path.stat()), "shard", "")
        if seen.get(path.name) != line:
            if _take_out(folder, path):
                continue
            lines.write(f"{path.name}\t{line}\n")
        known[path.name] = line
    return known


def _take_out(folder: Path, path: Path) -> bool:
    """Remove a shard if it is damaged, keeping what of it is whole; say whether it was."""
    try:
        settings, places = shards.head(path)
    except shards.ShardError as error:
        log.warning("%s; removed", error)
        (folder / INDEX).unlink(missing_ok=True)
        path.unlink()
        return True
    every = bar(places.items(), len(places), f"read {path.name}", "video")
    bad = {video_id for video_id, place in every if not _whole(path, place, settings)}
    if not bad:
        return False
    log.warning("%s: the tokens of %d of %d videos are damaged", path, len(bad), len(places))
    try:
        unpack(TokenCache(folder), path.name, without=bad)
    except CacheError as error:  # without an index nothing says what the others are
        log.warning("%s; %s is removed", error, path.name)
        path.unlink()
    (folder / INDEX).unlink(missing_ok=True)  # the bad ones must not be listed
    return True


def _whole(path: Path, place: Place, settings: str) -> bool:
    try:
        tokens = Tokens(*shards.read(path, place))
    except (OSError, shards.ShardError):
        return False
    return check_content(tokens, settings, place.video_sha256, place.content_sha256) is None
