from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io

from pipeline.features.read import FeatureError, read
from pipeline.settings import FeatureSettings

ARRAY = np.arange(12.0).reshape(3, 4)
NAMES = ["a.mp4", "b.mp4", "c.mp4"]


def settings(file: str, **changes: object) -> FeatureSettings:
    return FeatureSettings.model_validate({"file": file, "name": "x", "version": "1", **changes})


def write_csv(path: Path, table: pd.DataFrame) -> None:
    table.to_csv(path, index=False)


@pytest.fixture
def rows(tmp_path: Path) -> str:
    (tmp_path / "names.txt").write_text("\n".join(NAMES) + "\n")
    return "names.txt"


@pytest.mark.parametrize("form", ["csv", "csv in order", "npy", "mat", "mat 7.3", "folder"])
def test_the_same_features_from_any_file(tmp_path: Path, rows: str, form: str) -> None:
    table = pd.DataFrame(ARRAY, columns=list("wxyz"))
    changes: dict[str, object] = {"rows": rows}
    file = f"f.{form.split()[0]}"
    if form == "csv":
        write_csv(tmp_path / file, table.assign(name=NAMES, MOS=1.5))
        changes = {"id_column": "name", "leave_out": ["MOS"]}
    elif form == "csv in order":
        write_csv(tmp_path / file, table)
    elif form == "npy":
        np.save(tmp_path / file, ARRAY.astype(np.float32))
    elif form == "mat":
        scipy.io.savemat(tmp_path / file, {"feats": ARRAY})
    elif form == "mat 7.3":
        import h5py

        with h5py.File(tmp_path / file, "w", userblock_size=512) as mat:
            mat["feats"] = ARRAY.T
        # what MATLAB writes before the HDF5 part
        with (tmp_path / file).open("r+b") as raw:
            raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    else:
        file, changes = "f", {}
        (tmp_path / file).mkdir()
        for name, row in zip(NAMES, ARRAY, strict=True):
            np.save(tmp_path / file / name.replace(".mp4", ".npy"), row)
    found = read(settings(file, **changes), tmp_path)
    assert len(found.names) == 3 and len(found.sha256) == 64
    for name, row in zip(found.names, ARRAY, strict=True):
        assert found.load(name).shape == (1, 4)
        np.testing.assert_array_equal(found.load(name)[0], row)
    assert found.columns == (tuple("wxyz") if "csv" in form else ())


def test_a_table_per_second(tmp_path: Path) -> None:
    table = pd.DataFrame({"v": ["b", "a", "b", "a"], "s": [1, 0, 0, 1], "f": [4.0, 1, 3, 2]})
    write_csv(tmp_path / "f.csv", table)
    wanted = settings("f.csv", per="second", id_column="v", second_column="s")
    found = read(wanted, tmp_path)
    assert found.load("a").tolist() == [[1], [2]] and found.load("b").tolist() == [[3], [4]]

    write_csv(tmp_path / "f.csv", table.assign(s=[1, 0, 3, 1]))
    with pytest.raises(FeatureError, match=r"'b': seconds \[1.0, 3.0\] ...; wanted 0, 1, 2"):
        read(wanted, tmp_path)
    with pytest.raises(ValueError, match="needs second_column"):
        settings("f.csv", per="second", id_column="v")


def test_a_folder_per_second(tmp_path: Path) -> None:
    (tmp_path / "f/sub").mkdir(parents=True)
    np.save(tmp_path / "f/sub/a.npy", np.ones((5, 2, 3)))
    found = read(settings("f", per="second"), tmp_path)
    assert found.names == ("sub/a",) and found.load("sub/a").shape == (5, 2, 3)
    np.save(tmp_path / "f/sub/a.npy", np.ones(3))
    with pytest.raises(FeatureError, match=r"shape \(3,\); wanted \(K, D\) or \(K, P, D\)"):
        read(settings("f", per="second"), tmp_path).load("sub/a")


def test_a_label_among_the_features_is_refused(tmp_path: Path) -> None:
    write_csv(tmp_path / "f.csv", pd.DataFrame({"n": ["a"], "Mos": [3.0], "f": [1.0]}))
    with pytest.raises(FeatureError, match="'Mos' looks like the label"):
        read(settings("f.csv", id_column="n"), tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file": "none.csv", "id_column": "n"}, "no such file"),
        ({"file": "f.csv", "id_column": "nope"}, r"no column \['nope'\]; it has \['n', 'f'\]"),
        ({"file": "f.csv"}, "set id_column, or rows"),
        ({"file": "f.csv", "id_column": "f"}, "line 2, column 'n': 'a' is not a number"),
        ({"file": "f.csv", "rows": "names.txt", "leave_out": ["n"]}, "1 rows for 3 names"),
        ({"file": "f.csv", "rows": "none.txt", "leave_out": ["n"]}, "none.txt: no such file"),
        ({"file": "f.npy"}, "set `rows` to a text file"),
        ({"file": "f.npy", "rows": "names.txt"}, "not an npy file of numbers"),
        ({"file": "two.mat", "rows": "names.txt"}, r"set `variable` to one of \['p', 'q'\]"),
        ({"file": "f.txt"}, "wanted .csv, .npy, .mat or a folder"),
    ],
)
def test_what_does_not_fit_is_said(
    tmp_path: Path, rows: str, changes: dict[str, object], message: str
) -> None:
    write_csv(tmp_path / "f.csv", pd.DataFrame({"n": ["a"], "f": [1.0]}))
    np.save(tmp_path / "f.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    scipy.io.savemat(tmp_path / "two.mat", {"p": ARRAY, "q": ARRAY})
    (tmp_path / "f.txt").write_text("1 2 3")
    with pytest.raises(FeatureError, match=message):
        read(settings(**{"file": "", **changes}), tmp_path)


def test_a_name_that_comes_twice_is_refused(tmp_path: Path) -> None:
    write_csv(tmp_path / "f.csv", pd.DataFrame({"n": ["a", "a"], "f": [1.0, 2.0]}))
    with pytest.raises(FeatureError, match=r"1 names come twice: \['a'\]"):
        read(settings("f.csv", id_column="n"), tmp_path)
