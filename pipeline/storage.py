"""A folder that cannot be written stops a run, once, with what to do about it."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


class StorageError(RuntimeError):
    """A folder cannot be written: disk full, read-only, gone. No video is to blame."""


@contextmanager
def storage(folder: Path) -> Iterator[None]:
    """Turn what the system says of writing to `folder` into a `StorageError`."""
    try:
        yield
    except OSError as error:
        raise StorageError(_advice(folder, error)) from error


def _advice(folder: Path, error: OSError) -> str:
    what = f"{folder}: cannot be written: {error.strerror or error}"
    if error.errno in _FULL:
        left = f"{free_bytes(folder) / 1e6:.1f} MB are free there"
        todo = f"make room or raise the quota ({left})"
    elif error.errno in _FORBIDDEN:
        todo = "make the folder writable for this user, or its file system (mount -o remount,rw)"
    else:
        todo = "see to the disk or the mount"
    return f"{what}; {todo}, then run the same command again: what is finished is kept"


def free_bytes(folder: Path) -> int:
    """Return what is free on the file system of a folder that need not be there yet."""
    there = next((p for p in (folder, *folder.parents) if p.is_dir()), Path("/"))
    return shutil.disk_usage(there).free
