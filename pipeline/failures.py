"""failures.csv: which videos of a cache have no tokens, where and why they failed, how often."""

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from pipeline.atomic import write_text
from pipeline.cache import FAILURES


@dataclass(frozen=True)
class Failure:
    """A row.

    Attributes:
        video_id, path: of the video.
        stage: decode, encode, or worker (which died with it).
        reason: in words.
        attempts: how often it was tried with the same content and settings.
        video_sha256, fingerprint_sha256: that content and those settings.
    """

    video_id: str
    path: str
    stage: str
    reason: str
    attempts: int
    video_sha256: str
    fingerprint_sha256: str


def read(folder: Path) -> list[Failure]:
    """Return the rows; none if there is no file, or it is of another version."""
    path = folder / FAILURES
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = list(csv.DictReader(file))
            return [Failure(**row | {"attempts": int(row["attempts"])}) for row in rows]  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError, csv.Error):
        return []


def write(folder: Path, failures: Iterable[Failure]) -> None:
    """Write the file atomically; without a failure there is no file."""
    rows = [astuple(failure) for failure in failures]
    if not rows:
        (folder / FAILURES).unlink(missing_ok=True)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column.name for column in fields(Failure))
    writer.writerows(rows)
    write_text(folder / FAILURES, text.getvalue())
