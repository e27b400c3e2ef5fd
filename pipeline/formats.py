"""Tables of labels in the formats that data sets are published in, as columns of text.

CSV and the like, Excel sheets, MATLAB files of version 5 and of version 7.3 (which is HDF5), and
lists of annotations in JSON. Text comes first, since an id such as 007 or 1e5 is no number; a
number of a binary format becomes the shortest text that reads back as the same number.
"""

import csv
import json
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import openpyxl
import pandas as pd
import scipy.io

from pipeline import tables
from pipeline.labels import ManifestError

MAX_BYTES = 500_000_000


def read_table(
    path: Path,
    wanted: Sequence[str] = (),
    sep: str = ",",
    header: Sequence[str] = (),
    sheet: str = "",
) -> pd.DataFrame:
    """Return a file's table; its format follows from the suffix.

    Args:
        path: .csv, .txt, .xlsx, .mat or .json.
        wanted: of a .mat file: the variables that are the columns, a field of a struct as
            `struct.field`; those that are not there are left out.
        sep: of text: what stands between fields.
        header: of text: the names of the columns, for a file without a line that names them.
        sheet: of .xlsx; "": the first.

    Returns:
        Columns of text, "" where nothing is known, stripped of blanks around; empty rows dropped.

    Raises:
        ManifestError: if the file is not what its suffix says, has no rows, or is too large.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ManifestError(f"{path}: over {MAX_BYTES // 1_000_000} MB; not a label table")
    try:
        match path.suffix.lower():
            case ".xlsx":
                table = _excel(path, sheet)
            case ".mat":
                table = _matlab(path, wanted)
            case ".json":
                table = _annotations(path)
            case _:
                table = _text(path, sep, header)
    except ManifestError:
        raise
    except Exception as error:  # on a broken file the four libraries raise whatever they meet
        raise ManifestError(f"{path}: not a readable table of labels: {error}") from error
    if table.empty:
        raise ManifestError(f"{path}: no rows of labels in it")
    table = pd.DataFrame({name: table[name].str.strip() for name in table})
    return table[(table != "").any(axis=1)].reset_index(drop=True)


def column(table: pd.DataFrame, names: str) -> str | None:
    """Return the column that is called one of `names`, or None.

    Args:
        table: any.
        names: separated by blanks; only letters and digits count, in any case, so that `mosfull` is
            `MOS full` as well as `MOS_full`.

    Raises:
        ManifestError: if several columns are called so.

    >>> column(pd.DataFrame(columns=["vid", "MOS full"]), "mos mosfull")
    'MOS full'
    """
    wanted = set(names.split())
    found = [str(name) for name in table.columns if _plain(str(name)) in wanted]
    if len(found) > 1:
        raise ManifestError(f"columns {found} could all be {names!r}; keep one of them")
    return found[0] if found else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _text(path: Path, sep: str, header: Sequence[str]) -> pd.DataFrame:
    tables.check(path)
    with warnings.catch_warnings():
        # a row longer than the header must not be cut, nor shift its columns
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            path,
            sep=sep,
            names=list(header) or None,
            header=None if header else 0,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            quoting=csv.QUOTE_NONE if sep == "|" else csv.QUOTE_MINIMAL,
            index_col=False,
        )


def _excel(path: Path, sheet: str) -> pd.DataFrame:
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        if sheet and sheet not in book.sheetnames:
            raise ManifestError(f"{path}: no sheet {sheet!r}; it has {book.sheetnames}")
        rows = (book[sheet] if sheet else book.worksheets[0]).iter_rows(values_only=True)
        names = [_cell(value) for value in next(rows, ())]
        return _columns(names, ([_cell(value) for value in row] for row in rows))
    finally:
        book.close()


def _annotations(path: Path) -> pd.DataFrame:
    """Return the rows of `{"annotations": [...]}` that hold a score, not a class."""
    content = json.loads(path.read_text(encoding="utf-8"))
    rows = [row for row in content["annotations"] if row.get("ann_type", "score") == "score"]
    names = sorted({name for row in rows for name in row})
    return _columns(names, ([_cell(row.get(name)) for name in names] for row in rows))


def _matlab(path: Path, wanted: Sequence[str]) -> pd.DataFrame:
    try:
        content = scipy.io.loadmat(path, simplify_cells=True)
    except NotImplementedError:  # version 7.3
        with h5py.File(path) as file:
            content = {
                name: _hdf5(file, file[name])
                for name in {names.split(".")[0] for names in wanted} & set(file)
            }
    found: dict[str, list[str]] = {}
    for name in wanted:
        value: Any = content
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            found[name] = [_cell(item) for item in _flat(value)]
    lengths = {name: len(values) for name, values in found.items()}
    if not found or len(set(lengths.values())) > 1:
        raise ManifestError(
            f"{path}: wanted variables {', '.join(wanted)} of one length; found {lengths or 'none'}"
        )
    return pd.DataFrame(found, dtype=str)


def _hdf5(file: h5py.File, item: Any) -> Any:
    """Return a MATLAB variable of an HDF5 file: struct as dict, cell as list, char as text."""
    kind = item.attrs.get("MATLAB_class", b"").decode()
    if isinstance(item, h5py.Group):
        return {name: _hdf5(file, item[name]) for name in item}
    if item.attrs.get("MATLAB_empty"):
        return "" if kind == "char" else []
    values = item[()]
    if kind == "cell" or values.dtype == h5py.ref_dtype:
        return [_hdf5(file, file[reference]) for reference in np.ravel(values)]
    if kind == "char":  # columns first: a row of text lies along the first axis
        return "".join(map(chr, np.ravel(values)))
    return np.ravel(values)


def _flat(value: Any) -> Iterable[Any]:
    return [value] if isinstance(value, str) else np.ravel(np.asarray(value, object))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if np.isnan(value):
            return ""
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def _columns(names: Sequence[str], rows: Iterable[Sequence[str]]) -> pd.DataFrame:
    kept = [i for i, name in enumerate(names) if name]
    table = [[row[i] if i < len(row) else "" for i in kept] for row in rows]
    return pd.DataFrame(table, columns=[names[i] for i in kept], dtype=str)
