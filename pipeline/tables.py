"""CSV tables from outside, read as text and within limits, and text that a table can hold."""

import unicodedata
from pathlib import Path
from typing import Any

import pandas as pd

MAX_BYTES = 500_000_000
MAX_LINE_BYTES = 1_000_000
MAX_COLUMNS = 1000


class TableError(ValueError):
    """A file is no CSV table, or larger than one can be."""


def read_csv(path: Path, **options: Any) -> pd.DataFrame:
    """Read a CSV table; columns are text, and what is missing is "", unless `options` say else.

    Bytes that are no UTF-8 (in names of files) come as lone surrogates, as everywhere in Python.

    Args:
        path: of an existing file.
        options: of `pandas.read_csv`.

    Raises:
        TableError: if it is no table, over 500 MB, has a line over 1 MB (a million columns would
            take pandas half a minute), over 1000 columns, or zero bytes.
    """
    check(path)
    given: dict[str, Any] = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
    try:
        table: pd.DataFrame = pd.read_csv(
            path, encoding_errors="surrogateescape", **(given | options)
        )
    # TypeError: pandas fails to say which bytes of a column of integers are no text
    except (ValueError, TypeError, UnicodeError, OverflowError) as error:
        raise TableError(f"{path}: not a CSV table: {error}") from error
    return table


def check(path: Path) -> None:
    """Raise TableError if a file is larger, wider or less of a text than a table can be."""
    if path.stat().st_size > MAX_BYTES:
        raise TableError(f"{path}: over {MAX_BYTES // 1_000_000} MB; not a CSV table of this kind")
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b""), 1):
            if len(line) > MAX_LINE_BYTES:
                raise TableError(f"{path}: line {number} is over {MAX_LINE_BYTES:,} bytes long")
            if b"\0" in line:
                raise TableError(f"{path}: line {number} has zero bytes; it is not text")
            if number == 1 and line.count(b",") >= MAX_COLUMNS:
                raise TableError(f"{path}: over {MAX_COLUMNS} columns")


def printable(text: str) -> str:
    """Return text that any table or log line can hold.

    Bytes of file names that are no UTF-8, line ends and other control characters are written out.

    >>> printable("a/caf\\udce9\\n")
    'a/caf\\\\xe9\\\\n'
    """
    decoded = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(
        char.encode("unicode_escape").decode()
        if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")
        else char
        for char in decoded
    )
