"""Which cache a word of the command line means."""

from pathlib import Path
from typing import get_args

from pipeline import layout
from pipeline.cache import FAILURES, INDEX, CacheError, Kind

KINDS: tuple[Kind, ...] = get_args(Kind)


def caches(names: list[str]) -> list[Path]:
    """Return the folders that names mean; without names, every cache of the project.

    Args:
        names: DATASET (all its caches), DATASET/KIND, or a folder.

    Raises:
        CacheError: if a name means none.
    """
    if not names:
        data = layout.cache("x", "spatial").parents[1]
        names = sorted(path.name for path in data.glob("*") if path.is_dir())
        return [folder for name in names for folder in _of_dataset(name)]
    return [folder for name in names for folder in _named(name)]


def one_cache(name: str) -> Path:
    """Return the one folder that a name means.

    Raises:
        CacheError: if it means none or several.
    """
    found = caches([name])
    if len(found) > 1:
        raise CacheError(f"{name!r} means {len(found)} caches; name one, as {name}/{KINDS[0]}")
    return found[0]


def _named(name: str) -> list[Path]:
    found = _of_dataset(name) if "/" not in name else []
    dataset, _, kind = name.partition("/")
    if kind in KINDS and is_cache(layout.cache(dataset, kind)):
        found = [layout.cache(dataset, kind)]
    if not found and is_cache(Path(name)):
        found = [Path(name)]
    if not found:
        raise CacheError(
            f"{name!r}: no token cache; wanted a data set of this project, DATASET/KIND with KIND "
            f"{' or '.join(KINDS)}, or a folder; `lmm-vqa cache ls` lists them"
        )
    return found


def _of_dataset(dataset: str) -> list[Path]:
    folders = [layout.cache(dataset, kind) for kind in KINDS]
    return [folder for folder in folders if is_cache(folder)]


def is_cache(folder: Path) -> bool:
    """Say whether a folder is a token cache, finished or not."""
    return folder.is_dir() and (
        any((folder / name).is_file() for name in (INDEX, FAILURES))
        or next(folder.rglob("*.h5"), None) is not None
        or next(folder.glob("shard-*.safetensors"), None) is not None
    )
