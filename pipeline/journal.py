"""What a cache folder was last seen to hold, so that a plan need not open a million files.

The journal of `data/NAME/spatial` is `data/NAME/.spatial.journal`: outside the folder, so that DVC
neither hashes nor restores it. A line is written after a file was, or was read and found whole:

    <name> <size> <time of content> <time of change> <schema> <settings' hash> <video's hash>

separated by tabs. It is a memory, not a truth: a file whose stamp differs from its line, or that
has none, is opened and read. So it may be lost, torn or old; and a restored, linked or touched file
is looked at again but not made again.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

from pipeline.atomic import TMP_PREFIX, replacing
from pipeline.storage import StorageError, storage
from pipeline.tokens import SCHEMA

Stamp = tuple[int, int, int]  # bytes, and nanoseconds of the last change of content and of inode


def stamp(found: os.stat_result) -> Stamp:
    """Return what changes whenever a file's content does."""
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def entry(found: Stamp, fingerprint_sha256: str, video_sha256: str) -> str:
    """Return a line without its name."""
    return f"{same_file(found)}{fingerprint_sha256}\t{video_sha256}"


def same_file(found: Stamp) -> str:
    """Return how a line begins that still speaks of this file, and of this schema."""
    return "".join(f"{part}\t" for part in (*found, SCHEMA))


def scan(folder: Path) -> tuple[dict[str, Stamp], list[Path]]:
    """Return the token files of a folder by name relative to it, and all half-written files."""
    files: dict[str, Stamp] = {}
    half: list[Path] = []
    folders = [(str(folder), "")] if folder.is_dir() else []
    while folders:
        path, prefix = folders.pop()
        with os.scandir(path) as found:
            for item in found:
                if item.name.startswith(TMP_PREFIX):
                    half.append(Path(item.path))
                elif item.name.endswith(".h5"):
                    with suppress(FileNotFoundError):  # a broken link: as good as no file
                        files[prefix + item.name] = stamp(item.stat())
                elif item.is_dir():
                    folders.append((item.path, f"{prefix}{item.name}/"))
    return files, half


def path_of(folder: Path) -> Path:
    """Return where the journal of a cache folder lies."""
    return folder.parent / f".{folder.name}.journal"


def read(folder: Path) -> dict[str, str]:
    """Return entries by name; the last line of a name counts, a torn one does not."""
    path = path_of(folder)
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        parts = (line.partition("\t") for line in lines if line.endswith("\n"))
        return {name: rest[:-1] for name, _, rest in parts}


@contextmanager
def writing(folder: Path) -> Iterator[TextIO]:
    """Hold the journal open for new lines; only one run at a time may fill a folder.

    Raises:
        StorageError: if another run has it, or it cannot be written.
    """
    path = path_of(folder)
    with ExitStack() as stack:
        with storage(folder):
            folder.mkdir(parents=True, exist_ok=True)
            # a file of its own: the journal is replaced while the lock is held
            lock = stack.enter_context(path.with_suffix(".lock").open("a"))
        _lock(lock, folder)
        with storage(folder):
            file = path.open("a", encoding="utf-8", buffering=1)  # line by line: for the next run
        try:
            yield file
        finally:
            with storage(folder):
                file.close()


def _lock(file: TextIO, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StorageError(
            f"{folder}: another run is filling this folder (it has {file.name}); let it end"
        ) from error
    except OSError:  # a file system without locks; then it is for the user to see to
        pass


def rewrite(folder: Path, entries: dict[str, str]) -> None:
    """Replace the journal by one line per file, sorted."""
    with replacing(path_of(folder)) as tmp, tmp.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{name}\t{entries[name]}\n" for name in sorted(entries))
