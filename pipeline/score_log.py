"""A table of scores as a CSV file that grows row by row, so that an interrupted run continues."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from llm_head.levels import LEVELS
from llm_head.questions import CLOSED
from pipeline.atomic import write_text
from pipeline.packages import sha256
from pipeline.tables import printable

COLUMNS = (
    *("video", "score", "score_calibrated", "score_std", "level", "reason"),
    *(f"{task}_{what}" for task in CLOSED for what in ("answer", "prob")),
    *(
        "score_generated",
        "score_digits",
        "score_digits_std",
        *(f"p_{level}" for level in LEVELS),
        "timeline",
    ),
    *("window_s", "sha256", "model", "error"),
)
_ANSWERS = tuple(f"{task}_answer" for task in CLOSED)
_TEXT = {"video", "level", "reason", *_ANSWERS, "sha256", "model", "error"}
_NOT_ALL = {  # not every model has a map, or was taught these
    *("score_calibrated", "score_generated", "score_digits", "score_digits_std"),
    *(f"{task}_prob" for task in CLOSED),
}

_LATER = {"severity_answer", "severity_prob"}  # a table of before goes on without

Row = dict[str, Any]


class ScoreLogError(ValueError):
    """The file is there but is no table of scores."""


class ScoreLog:
    """Rows of earlier runs, and those of this one.

    A row counts again only if the file's content and the checkpoint are the same, it has a
    timeline where one is asked for, and it did not fail.
    """

    def __init__(self, path: Path, model: str, window_s: int) -> None:
        """Read what is there; a row that a killed run left half written is dropped.

        Args:
            model: `Scorer.identity`.
            window_s: of the timeline that rows must have; 0: none is needed.

        Raises:
            ScoreLogError: if the file is something else.
        """
        self._path = path
        self._model, self._window_s = model, window_s
        self._rows = {row["video"]: row for row in _read(path)}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, _text(self._rows.values()))

    def known(self, video: Path) -> Row | None:
        """Return the row of a video, if an earlier run has made it with this model."""
        row = self._rows.get(printable(str(video)))
        if row is None or row["error"] or row["model"] != self._model or not video.is_file():
            return None
        if self._window_s not in (0, row["window_s"]):
            return None
        return row if row["sha256"] == sha256(video) else None

    def add(self, row: Row) -> None:
        """Append a row; it is in the file when this returns."""
        self._rows[row["video"]] = row
        with self._path.open("a", encoding="utf-8", newline="") as file:
            file.write(_lines([row]))

    def close(self, videos: Iterable[Path]) -> None:
        """Write the file anew: these videos in their order, then those of other runs."""
        first = dict.fromkeys(printable(str(video)) for video in videos)
        order = [name for name in (*first, *self._rows) if name in self._rows]
        write_text(self._path, _text(self._rows[name] for name in dict.fromkeys(order)))


def _read(path: Path) -> list[Row]:
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScoreLogError(f"{path}: cannot be read: {error}") from error
    whole = text[: text.rfind("\n") + 1]
    rows = list(csv.reader(io.StringIO(whole, newline="")))
    if rows and {*COLUMNS} ^ {*rows[0]} not in (set(), _LATER):
        raise ScoreLogError(f"{path}: is there and is no table of scores; name another file")
    try:
        return [_parsed(dict(zip(rows[0], row, strict=True))) for row in rows[1:]]
    except ValueError as error:
        raise ScoreLogError(f"{path}: a row cannot be read: {error}; name another file") from error


def _parsed(row: Mapping[str, str]) -> Row:
    fields = {column: row.get(column, "") for column in COLUMNS}
    if fields["error"]:
        return dict(fields)
    numbers = {
        k: float(v) if v or k not in _NOT_ALL else None
        for k, v in fields.items()
        if k not in (*_TEXT, "timeline")
    }
    answers = {k: fields[k] or None for k in _ANSWERS}
    return {**fields, **answers, **numbers, "timeline": json.loads(fields["timeline"])}


def _text(rows: Iterable[Row]) -> str:
    return ",".join(COLUMNS) + "\n" + _lines(rows)


def _lines(rows: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    for row in rows:
        failed = bool(row.get("error"))
        writer.writerow({**row, **({} if failed else {"timeline": json.dumps(row["timeline"])})})
    return text.getvalue()
