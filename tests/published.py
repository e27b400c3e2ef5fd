"""Label files in the formats that data sets are published in."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import openpyxl
import scipy.io


def write_mat(path: Path, **variables: object) -> Path:
    """Write a MATLAB file of version 5; a list of text becomes a column cell array."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {name: _cells(value) for name, value in variables.items()})
    return path


def _cells(value: object) -> object:
    if isinstance(value, dict):
        return {name: _cells(item) for name, item in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], str):
        cells = np.empty((len(value), 1), object)
        cells[:, 0] = value
        return cells
    return np.asarray(value, float).reshape(-1, 1)


def write_mat73(path: Path, **variables: object) -> Path:
    """Write a MATLAB file of version 7.3: an HDF5 file behind MATLAB's own header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            _put(file, file, name, value)
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    with path.open("r+b") as raw:
        raw.write(header)
    return path


def _put(file: h5py.File, parent: h5py.Group, name: str, value: object) -> None:
    if isinstance(value, dict):
        group = parent.create_group(name)
        group.attrs["MATLAB_class"] = np.bytes_("struct")
        for field, item in value.items():
            _put(file, group, field, item)
    elif isinstance(value, list) and value and isinstance(value[0], str):
        references = np.empty((1, len(value)), h5py.ref_dtype)
        for i, text in enumerate(value):
            item = file.create_dataset(
                f"#refs#/{name}{i}", data=np.array([[ord(c)] for c in text], np.uint16)
            )
            item.attrs["MATLAB_class"] = np.bytes_("char")
            references[0, i] = item.ref
        cell = parent.create_dataset(name, data=references, dtype=h5py.ref_dtype)
        cell.attrs["MATLAB_class"] = np.bytes_("cell")
    else:
        array = parent.create_dataset(name, data=np.asarray(value, float).reshape(1, -1))
        array.attrs["MATLAB_class"] = np.bytes_("double")


def write_xlsx(path: Path, **sheets: Sequence[Sequence[object]]) -> Path:
    """Write a workbook of sheets, each a list of rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.save(path)
    return path


def write_rows(path: Path, header: str, rows: Mapping[str, object]) -> Path:
    """Write a CSV of two columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + "\n" + "".join(f"{name},{mos}\n" for name, mos in rows.items()))
    return path
