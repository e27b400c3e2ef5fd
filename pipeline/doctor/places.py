"""Folders: space, DVC's links, HDF5's locks. What can be tried is tried."""

import configparser
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from pipeline.cache import Tokens, write_tokens
from pipeline.doctor.check import Check

FICLONE = 0x40049409  # linux/fs.h
LITTLE_BYTES, TIGHT_BYTES = 1_000_000_000, 10_000_000_000
_CHILD_S = 60


def disk(name: str, folder: Path) -> Check:
    """Look at the space left for a folder, and whether it can be written."""
    there = nearest(folder)
    free = shutil.disk_usage(there).free
    found = f"{free / 1e9:.1f} GB free at {there}"
    if not os.access(there, os.W_OK | os.X_OK):
        return Check(name, "problem", f"{there} cannot be written", "change its owner or mode")
    if free < LITTLE_BYTES:
        return Check(name, "problem", found, "make room; token caches fail on a full disk")
    if free < TIGHT_BYTES:
        return Check(
            name, "warning", found, "a dry run of a stage says how much its cache will need"
        )
    return Check(name, "ok", found)


def nearest(folder: Path) -> Path:
    """Return a folder, or what exists of the way to it."""
    folder = folder.absolute()
    return folder if folder.is_dir() else nearest(folder.parent)


def dvc_cache(root: Path) -> tuple[Path, list[str]] | None:
    """Return DVC's cache folder and the link types that it may use; None without DVC here.

    Read from its settings files, since nothing of this project imports DVC.
    """
    if not (root / ".dvc").is_dir():
        return None
    settings = configparser.ConfigParser(interpolation=None)
    for file in ("config", "config.local"):  # the second overrides the first
        settings.read(root / ".dvc" / file, encoding="utf-8")
    folder = settings.get("cache", "dir", fallback="cache")
    types = settings.get("cache", "type", fallback="reflink,copy")
    return root / ".dvc" / folder, [kind.strip(" \"'") for kind in types.split(",")]


def dvc(root: Path, data: Path) -> Iterator[Check]:
    """Look at the space of DVC's cache, and try which links it can make to the data folder."""
    name = "DVC links"
    try:
        found = dvc_cache(root)
    except configparser.Error as error:
        yield Check(name, "problem", f".dvc/config cannot be read: {error}", "mend it")
        return
    if found is None:
        yield Check(name, "warning", "no .dvc folder here", "run `dvc init` to use `dvc repro`")
        return
    folder, allowed = found
    yield disk("space for DVC's cache", folder)
    yield _links(folder, allowed, data)


def _links(folder: Path, allowed: list[str], data: Path) -> Check:
    name = "DVC links"
    risky = [kind for kind in allowed if kind in ("hardlink", "symlink")]
    if risky:
        return Check(
            name,
            "warning",
            f"cache.type allows {', '.join(risky)}",
            "set `dvc config cache.type reflink,copy`: a program that writes through such a link "
            "damages DVC's cache, and with persist the whole cache is copied on each run",
        )
    if "reflink" in allowed and can_reflink(nearest(folder), nearest(data)):
        return Check(name, "ok", "reflink: files in data/ and DVC's cache share their space")
    return Check(name, "ok", "copy: what DVC tracks takes its space twice (no reflinks here)")


def can_reflink(source: Path, target: Path) -> bool:
    """Say whether a file of one folder can be cloned into another without taking space."""
    try:
        with (
            tempfile.NamedTemporaryFile(dir=source) as one,
            tempfile.NamedTemporaryFile(dir=target) as two,
        ):
            one.write(b"x" * 8192)
            one.flush()
            fcntl.ioctl(two.fileno(), FICLONE, one.fileno())
    except OSError:
        return False
    return True


def hdf5(folder: Path) -> Iterator[Check]:
    """Try reading a token file from another process, and what HDF5's locks do here."""
    name, there = "token files", nearest(folder)
    try:
        with tempfile.TemporaryDirectory(prefix=".lmm-vqa-doctor-", dir=there) as scratch:
            path = Path(scratch) / "a.h5"
            tokens = Tokens(np.ones((2, 3), np.float16), np.arange(2.0))
            write_tokens(path, tokens, {"random": False}, "0" * 64)
            said = _child(_READ, path)
            if said == "6.0":
                yield Check(name, "ok", f"written and read in two processes at {there}")
            else:
                yield Check(name, "problem", f"cannot be read at {there}: {said}", "use another "
                            "file system for data/")  # fmt: skip
            yield _locks(Path(scratch) / "b.h5")
    except (OSError, RuntimeError) as error:
        yield Check(name, "problem", f"cannot be written at {there}: {error}", "mend its mode")


def _locks(path: Path) -> Check:
    name = "HDF5 locks"
    try:
        file = h5py.File(path, "w", locking=True)
    except OSError as error:
        return Check(
            name,
            "warning",
            f"cannot lock here ({error})",
            "this project needs no locks; other HDF5 programs: HDF5_USE_FILE_LOCKING=FALSE",
        )
    with file:
        said = _child(_OPEN, path)
    if said == "locked":
        return Check(name, "ok", "a file that is being written is locked against readers")
    return Check(name, "ok", "locks do nothing on this file system; this project needs none")


_READ = """
import sys; from pathlib import Path; from pipeline.tokens import read_file
print(float(read_file(Path(sys.argv[1]), None).tokens.sum()))
"""
_OPEN = """
import sys, h5py
try:
    h5py.File(sys.argv[1], "r", locking=True).close()
except BlockingIOError:
    print("locked")
except OSError as error:
    print("locked" if "lock" in str(error) else error)
else:
    print("open")
"""


def _child(code: str, path: Path) -> str:
    """Return what a new Python process prints that runs `code` with a path as its argument."""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, timeout=_CHILD_S,
    )  # fmt: skip
    return [*(done.stdout + done.stderr).strip().splitlines(), "no output"][0]
