from pathlib import Path

import pytest

from pipeline.labels import ManifestError, read_labels
from pipeline.settings import DatasetSettings


def folder(tmp_path: Path, table: str | None, *names: str) -> Path:
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    if table is not None:
        (tmp_path / "labels.csv").write_text(table)
    return tmp_path


def settings(root: Path, **changes: object) -> DatasetSettings:
    return DatasetSettings.model_validate({"root": root, "labels": "labels.csv", **changes})


def test_a_table_with_a_scale_of_its_own(tmp_path: Path) -> None:
    root = folder(tmp_path, "filename,mos\nb.mp4,1\n007.mkv,3.5\n", "v/b.mp4", "v/007.mkv")
    table = read_labels(settings(root, mos_min=1, mos_max=5, split="val"), seed=0)
    assert list(table["video_id"]) == ["v/007", "v/b"]
    assert list(table["mos"]) == [62.5, 0]
    assert list(table["mos_raw"]) == [3.5, 1]
    assert set(table["split"]) == {"val"}
    assert set(table["mos_source"]) == {"human"}


def test_a_folder_without_labels(tmp_path: Path) -> None:
    root = folder(tmp_path, None, "a.mp4", "x/b.MOV", "notes.txt", ".hidden.mp4")
    table = read_labels(settings(root, labels=None), seed=0)
    assert list(table["video_id"]) == ["a", "x/b"]
    assert table["mos"].isna().all()
    assert set(table["mos_source"]) == {""}


def test_a_row_without_a_score_is_kept_as_unlabelled(tmp_path: Path) -> None:
    root = folder(tmp_path, "filename,mos,impairment\na,,freeze\nb,7,\n", "a.mp4", "b.mp4")
    table = read_labels(settings(root), seed=0)
    assert table["mos"].isna().tolist() == [True, False]
    assert list(table["impairment"]) == ["freeze", ""]
    assert list(table["mos_source"]) == ["", "human"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("filename,mos\na.mp4,5\nlost.mp4,5\n", "no such video.*'lost.mp4'"),
        ("filename,mos\na.mp4,101\n", r"MOS outside 0..100.*a.mp4: 101"),
        ("filename,mos\na.mp4,-1\n", "MOS outside"),
        ("filename,mos\na.mp4,good\n", "MOS is not a number.*a.mp4: good"),
        ("filename,mos\na.mp4,nan\n", "MOS is not a number|MOS outside"),
        ("filename,mos\na.mp4,inf\n", "MOS outside"),
        ("filename,mos\na.mp4,5\na,6\n", "named twice"),
        ("name,mos\na.mp4,5\n", "no column 'filename'"),
        ("filename,mos,split\na.mp4,5,dev\n", "split is none of"),
        ("filename,mos,split,content\na.mp4,5,train,x\nb.mp4,5,test,x\n", "more than one split"),
        ("filename,mos\ntwin,5\n", "more than one video of this name"),
        ("", "not a CSV"),
    ],
)
def test_each_wrong_row_is_named(tmp_path: Path, table: str, message: str) -> None:
    root = folder(tmp_path, table, "a.mp4", "b.mp4", "x/twin.mp4", "y/twin.mp4")
    with pytest.raises(ManifestError, match=message):
        read_labels(settings(root), seed=0)


def test_a_folder_with_twins_but_for_the_suffix_is_refused(tmp_path: Path) -> None:
    root = folder(tmp_path, None, "a.mp4", "a.mkv")
    with pytest.raises(ManifestError, match="twins"):
        read_labels(settings(root, labels=None), seed=0)


def test_a_random_split_keeps_a_content_together_and_depends_on_the_seed(tmp_path: Path) -> None:
    rows = "".join(f"{n}.mp4,5,c{n // 3}\n" for n in range(60))
    root = folder(tmp_path, "filename,mos,content\n" + rows, *(f"{n}.mp4" for n in range(60)))
    asked = settings(root, split="random")
    table = read_labels(asked, seed=1)
    assert (table.groupby("content")["split"].nunique() == 1).all()
    assert table["split"].value_counts().to_dict() == {"train": 42, "test": 12, "val": 6}
    assert read_labels(asked, seed=1).equals(table)
    assert not read_labels(asked, seed=2).equals(table)
