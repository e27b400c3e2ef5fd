from pathlib import Path

import pandas as pd
import pytest

from pipeline import datasets
from pipeline.labels import ManifestError
from pipeline.settings import DatasetSettings


def read(root: Path, table: str, **settings: object) -> datasets.Labels:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        (root / name).touch()
    (root / "labels.csv").write_text(table)
    asked = {"root": root, "labels": "labels.csv", **settings}
    return datasets.read(DatasetSettings.model_validate(asked), seed=0)


def test_csv_is_the_default_and_reads_what_is_known_of_the_ratings(tmp_path: Path) -> None:
    rows = "filename,mos,mos_std,n_ratings,fold,content\na,3,0.5,24,0,x\nb,5,,,1,y\nc,1,0,3,,y\n"
    table = read(tmp_path, rows, mos_min=1, mos_max=5).table.set_index("video_id")
    assert table["mos_std"].tolist()[::2] == [12.5, 0] and pd.isna(table.loc["b", "mos_std"])
    assert table["n_ratings"].tolist()[::2] == [24, 3] and pd.isna(table.loc["b", "n_ratings"])
    assert table["fold"].tolist()[:2] == [0, 1] and pd.isna(table.loc["c", "fold"])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("filename,mos,mos_std\na,3,-1\n", "mos_std below 0.*a: -1"),
        ("filename,mos,mos_std\na,3,wide\n", "mos_std is not a number.*a: wide"),
        ("filename,mos,mos_std\na,3,inf\n", "mos_std below 0 or infinite"),
        ("filename,mos,n_ratings\na,3,2.5\n", "n_ratings is not whole.*a: 2.5"),
        ("filename,mos,fold\na,3,one\n", "fold is not a number"),
        ("filename,mos,fold,content\na,3,0,x\nb,3,1,x\n", "content in more than one fold.*'x'"),
    ],
)
def test_wrong_ratings_and_folds_are_named(tmp_path: Path, table: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        read(tmp_path, table)


def test_missing_and_extra_videos(tmp_path: Path) -> None:
    table = "filename,mos\na,5\nlost.mp4,6\n"
    with pytest.raises(ManifestError, match=r"no such video.*allow_missing: true.*'lost.mp4'"):
        read(tmp_path, table)
    found = read(tmp_path, table, allow_missing=True)
    assert list(found.table["video_id"]) == ["a"]
    assert (found.missing, found.extra) == (("lost.mp4",), ("b.mp4", "c.mp4"))
    with pytest.raises(ManifestError, match="no row has a video below"):
        read(tmp_path, "filename,mos\nlost.mp4,6\n", allow_missing=True)


def test_a_folder_without_labels_has_nothing_extra(tmp_path: Path) -> None:
    found = read(tmp_path, "", labels=None)
    assert (len(found.table), found.missing, found.extra) == (3, (), ())
