"""Damage to a shard is found before a plan is made, as damage to a token file is by the plan."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from pipeline import journal, shards
from pipeline.cache import INDEX, Fingerprint, Tokens, fingerprint_sha256, token_file, write_tokens
from pipeline.progress import bar
from pipeline.shards import Place
from pipeline.tokens import check_content

log = logging.getLogger(__name__)


def mend(folder: Path, lines: TextIO, fingerprint: Fingerprint) -> dict[str, str]:
    """Read the shards that are not as the journal knows them, and take out what is damaged.

    A video whose tokens are damaged has none afterwards, so the stage makes them anew; the others
    of its shard become files. A shard that is as it was last seen is not read. A damaged shard of
    other settings is left: only they say what its tokens are.

    Args:
        folder: of a cache; its lock is held.
        lines: its journal; what was read and found whole is noted there.
        fingerprint: that the cache's tokens have, or will have.

    Returns:
        the journal's entries of the shards that are left and whole, by name.

    Raises:
        CacheError: if tokens of a damaged shard cannot be written as files; it is still there then.
    """
    seen, known = journal.read(folder), {}
    wanted = fingerprint_sha256(fingerprint)
    for path in shards.listed(folder):
        line = journal.entry(journal.stamp(path.stat()), "shard", "")
        if seen.get(path.name) != line:
            try:
                settings, places = shards.head(path)
            except shards.ShardError as error:
                log.warning("%s; removed", error)
                _remove(folder, path)
                continue
            every = bar(places.items(), len(places), f"read {path.name}", "video")
            whole = {video: place for video, place in every if _whole(path, place, settings)}
            if len(whole) < len(places):
                bad = len(places) - len(whole)
                log.warning("%s: the tokens of %d of %d videos are damaged", path, bad, len(places))
                if settings == wanted:
                    _unpack(folder, path, whole, fingerprint)
                    _remove(folder, path)
                continue
            lines.write(f"{path.name}\t{line}\n")
        known[path.name] = line
    return known


def _unpack(
    folder: Path, path: Path, places: Mapping[str, Place], fingerprint: Fingerprint
) -> None:
    """Write videos of a shard as files; one that has a file already keeps it."""
    for video_id, place in places.items():
        file = token_file(folder, video_id)
        if not file.exists():
            tokens = Tokens(*shards.read(path, place))
            write_tokens(file, tokens, fingerprint, place.video_sha256, place.libraries)


def _remove(folder: Path, path: Path) -> None:
    (folder / INDEX).unlink(missing_ok=True)  # what is gone must not be listed
    path.unlink()


def _whole(path: Path, place: Place, settings: str) -> bool:
    try:
        tokens = Tokens(*shards.read(path, place))
    except (OSError, shards.ShardError):
        return False
    return check_content(tokens, settings, place.video_sha256, place.content_sha256) is None
