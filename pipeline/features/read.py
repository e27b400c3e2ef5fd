"""Other people's features, as files hold them: csv, mat, npy, or a folder of npy files."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.settings import FeatureSettings

MAX_BYTES = 20_000_000_000
_LABELS = {"mos", "dmos", "score", "label", "mos_raw", "mos_std", "subjective_score"}
_SHOWN = 5

Array = NDArray[np.float64]


class FeatureError(ValueError):
    """Features cannot be imported: the file, its settings and the manifest do not fit together."""


@dataclass(frozen=True)
class Features:
    """Features of many videos.

    Attributes:
        names: of the videos, as the file has them; each once.
        load: from a name to its features, float64 ``(K, ...)``, K 1 where they are per video.
        columns: names of the numbers, where the file has them.
        sha256: of the file, or of all files of the folder.
    """

    names: tuple[str, ...]
    load: Callable[[str], Array]
    columns: tuple[str, ...]
    sha256: str


def read(settings: FeatureSettings, root: Path) -> Features:
    """Read a file of features, or list a folder of them.

    Args:
        settings: of the features.
        root: of the data set; paths of `settings` are relative to it.

    Raises:
        FeatureError: saying what is wrong and what to set.
    """
    path = root / settings.file
    if path.is_dir():
        return _folder(path, settings)
    if not path.is_file():
        raise FeatureError(f"{path}: no such file or folder; mend features.*.file in params.yaml")
    if path.stat().st_size > MAX_BYTES:
        raise FeatureError(f"{path}: over {MAX_BYTES / 1e9:.0f} GB; give a folder of npy files")
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _csv(path, settings, root)
    if suffix in (".npy", ".mat"):
        if settings.rows is None:
            raise FeatureError(
                f"{path}: says no names of videos; set `rows` to a text file with one name a line, "
                "in the order of the array's rows"
            )
        array = _npy(path) if suffix == ".npy" else _mat(path, settings.variable)
        return _by_rows(path, array, _names(root / settings.rows), settings)
    raise FeatureError(f"{path}: {suffix or 'no suffix'}; wanted .csv, .npy, .mat or a folder")


def _folder(path: Path, settings: FeatureSettings) -> Features:
    files = sorted(p for p in path.rglob("*.npy") if p.is_file() and not p.name.startswith("."))
    if not files:
        raise FeatureError(f"{path}: no .npy file in it")
    by_name = {file.relative_to(path).with_suffix("").as_posix(): file for file in files}
    digest = hashlib.sha256()
    for name, file in by_name.items():
        digest.update(f"{name} {_sha256(file)}\n".encode())
    return Features(
        tuple(by_name), lambda name: _shaped(by_name[name], _npy(by_name[name]), settings), (),
        digest.hexdigest(),
    )  # fmt: skip


def _shaped(path: Path, array: Array, settings: FeatureSettings) -> Array:
    """Give one video's array its first axis, the seconds."""
    if settings.per == "video":
        array = array[None]
    if array.ndim not in (2, 3) or 0 in array.shape:
        wanted = "(D,) or (P, D)" if settings.per == "video" else "(K, D) or (K, P, D)"
        found = array.shape[1:] if settings.per == "video" else array.shape
        raise FeatureError(f"{path}: an array of shape {found}; wanted {wanted} ({settings.per=})")
    return array


def _csv(path: Path, settings: FeatureSettings, root: Path) -> Features:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, UnicodeError) as error:
        raise FeatureError(f"{path}: not a CSV table: {error}") from error
    known = [settings.id_column, settings.second_column, *settings.leave_out]
    missing = [column for column in known if column and column not in table]
    if missing:
        raise FeatureError(f"{path}: no column {missing}; it has {list(table.columns)[:12]}")
    if (settings.id_column is None) == (settings.rows is None):
        raise FeatureError(f"{path}: set id_column, or rows (a text file of names), one of the two")
    columns = [column for column in table if column not in known]
    suspects = [column for column in columns if str(column).strip().lower() in _LABELS]
    if suspects:
        raise FeatureError(
            f"{path}: column {suspects[0]!r} looks like the label itself; name it in leave_out"
        )
    numbers = table[columns].apply(pd.to_numeric, errors="coerce")
    words = {"", "nan", "inf", "-inf", "infinity", "-infinity"}
    unread = numbers.isna() & ~table[columns].apply(lambda c: c.str.strip().str.lower().isin(words))
    if unread.to_numpy().any():
        row, column = np.argwhere(unread.to_numpy())[0]
        value = table[columns].iat[row, column]
        raise FeatureError(
            f"{path} line {row + 2}, column {columns[column]!r}: {value!r} is not a number; "
            "columns that are not features belong into leave_out"
        )
    array = numbers.to_numpy(np.float64)
    if settings.rows is not None:
        found = _by_rows(path, array, _names(root / settings.rows), settings)
    else:
        names = [name.strip() for name in table[settings.id_column]]
        found = (
            _by_rows(path, array, names, settings)
            if settings.per == "video"
            else _by_second(path, array, names, table[settings.second_column], settings)
        )
    return Features(found.names, found.load, tuple(map(str, columns)), found.sha256)


def _by_rows(path: Path, array: Array, names: list[str], settings: FeatureSettings) -> Features:
    """Give each row of an array its name."""
    if len(array) != len(names):
        raise FeatureError(f"{path}: {len(array)} rows for {len(names)} names; the order is lost")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise FeatureError(f"{path}: {len(twice)} names come twice: {twice[:_SHOWN]}")
    row = {name: at for at, name in enumerate(names)}
    return Features(
        tuple(names), lambda name: _shaped(path, array[row[name]], settings), (), _sha256(path)
    )


def _by_second(
    path: Path, array: Array, names: list[str], seconds: "pd.Series[Any]", settings: FeatureSettings
) -> Features:
    """Gather the rows of each video by their second, which must be 0, 1, ... without a gap."""
    at = pd.to_numeric(seconds, errors="coerce").to_numpy(np.float64)
    rows = pd.DataFrame({"name": names, "second": at, "row": range(len(names))})
    rows = rows.sort_values(["name", "second"])
    for name, of_video in rows.groupby("name"):
        if list(of_video["second"]) != list(range(len(of_video))):
            found = list(of_video["second"])[:_SHOWN]
            raise FeatureError(f"{path}: {name!r}: seconds {found} ...; wanted 0, 1, 2, each once")
    order = {str(name): group.to_numpy() for name, group in rows.groupby("name")["row"]}
    return Features(
        tuple(order), lambda name: _shaped(path, array[order[name]], settings), (), _sha256(path)
    )


def _names(path: Path) -> list[str]:
    if not path.is_file():
        raise FeatureError(f"{path}: no such file; mend features.*.rows in params.yaml")
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _npy(path: Path) -> Array:
    try:
        return _numbers(path, np.load(path, allow_pickle=False))
    except (ValueError, EOFError, OSError) as error:
        raise FeatureError(f"{path}: not an npy file of numbers: {error}") from error


def _mat(path: Path, variable: str | None) -> Array:
    import scipy.io

    try:
        found = {name: value for name, value in scipy.io.loadmat(path).items() if name[:2] != "__"}
    except NotImplementedError:
        return _mat73(path, variable)
    except (ValueError, TypeError, OSError, KeyError) as error:
        raise FeatureError(f"{path}: not a MATLAB file: {error!r}") from error
    return _numbers(path, found[_variable(path, variable, list(found))])


def _mat73(path: Path, variable: str | None) -> Array:
    """Read a file of MATLAB 7.3, which is HDF5 with the axes in reverse order."""
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            names = [name for name in file if isinstance(file[name], h5py.Dataset)]
            return _numbers(path, np.asarray(file[_variable(path, variable, names)]).T)
    except (OSError, KeyError, RuntimeError) as error:
        raise FeatureError(f"{path}: not a file of MATLAB 7.3: {error}") from error


def _variable(path: Path, variable: str | None, names: list[str]) -> str:
    if variable in names:
        return str(variable)
    if variable is None and len(names) == 1:
        return names[0]
    raise FeatureError(f"{path}: set `variable` to one of {names[:12]} (found {variable!r})")


def _numbers(path: Path, array: Any) -> Array:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise FeatureError(f"{path}: {getattr(array, 'dtype', type(array))}; wanted real numbers")
    return array.astype(np.float64)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
