import json
from pathlib import Path

import pandas as pd
import pytest

from pipeline.formats import column, read_table
from pipeline.labels import ManifestError
from tests.published import write_mat, write_mat73, write_xlsx


@pytest.mark.parametrize("write", [write_mat, write_mat73])
def test_matlab(tmp_path: Path, write: object) -> None:
    path = write(tmp_path / "data.mat", video_list=["A001.mp4", "B1"], mos=[80.232, 7], other=[1])
    table = read_table(path, ("video_list", "mos", "absent"))
    assert table.to_dict("list") == {"video_list": ["A001.mp4", "B1"], "mos": ["80.232", "7"]}


@pytest.mark.parametrize("write", [write_mat, write_mat73])
def test_matlab_structs(tmp_path: Path, write: object) -> None:
    path = write(
        tmp_path / "q.mat", video={"vidNames": ["a.yuv", "b.yuv"]}, scores={"unBiasedMOS": [1, 2.5]}
    )
    table = read_table(path, ("video.vidNames", "scores.unBiasedMOS"))
    assert list(table["video.vidNames"]) == ["a.yuv", "b.yuv"]
    assert list(table["scores.unBiasedMOS"]) == ["1", "2.5"]


def test_an_id_that_is_a_number_is_whole(tmp_path: Path) -> None:
    path = write_mat(tmp_path / "k.mat", flickr_id=[12262452854.0], mos=[4.0])
    assert list(read_table(path, ("flickr_id", "mos"))["flickr_id"]) == ["12262452854"]
    path = write_xlsx(tmp_path / "k.xlsx", MOS=[["id", "mos"], [12262452854.0, 0.1]])
    assert read_table(path).iloc[0].to_dict() == {"id": "12262452854", "mos": "0.1"}


def test_excel(tmp_path: Path) -> None:
    path = write_xlsx(
        tmp_path / "m.xlsx",
        About=[["vid", "nothing"]],
        MOS=[["vid", "MOS full", None, "n"], ["a", 3.5, "x", 9], [None] * 4, ["b", None, None, 7]],
    )
    table = read_table(path, sheet="MOS")
    assert table.to_dict("list") == {"vid": ["a", "b"], "MOS full": ["3.5", ""], "n": ["9", "7"]}
    with pytest.raises(ManifestError, match=r"no sheet 'Scores'; it has .'About', 'MOS'."):
        read_table(path, sheet="Scores")


def test_text_forms(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text('ia-batch1/x y.mp4, -1, -1, 46.9\n"q, r.mp4", 8.0, 30, 50\n')
    table = read_table(path, header=("name", "duration_s", "fps", "mos"))
    assert list(table["name"]) == ["ia-batch1/x y.mp4", "q, r.mp4"]
    assert list(table["mos"]) == ["46.9", "50"]
    path.write_text('0.mp4|a dog says "hello|12\n')  # a quotation mark is only a character here
    assert list(read_table(path, sep="|", header=("name", "prompt", "mos"))["mos"]) == ["12"]


def test_a_list_of_scores_and_classes(tmp_path: Path) -> None:
    path = tmp_path / "l.json"
    rows = [
        {"image_id": "7", "ann_type": "score", "score": "54.000"},
        {"image_id": "7", "ann_type": "class", "class": "poor"},
    ]
    path.write_text(json.dumps({"annotations": rows}))
    table = read_table(path)
    assert table[["image_id", "score"]].to_dict("list") == {"image_id": ["7"], "score": ["54.000"]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"name,mos\na,1\nb,2,3\n"),  # a comma too many must not shift or cut a row
        ("a.csv", b"name,mos\na,1,5\nb,2,3\n"),
        ("a.csv", b""),
        ("a.csv", b"name,mos\n\xff\xfe,1\n"),
        ("a.xlsx", b"no zip"),
        ("a.mat", b"nothing of MATLAB" * 20),
        ("a.mat", b""),
        ("a.json", b"[1, 2"),
        ("a.json", b'{"labels": []}'),
        ("a.json", b'{"annotations": [1]}'),
    ],
)
def test_what_is_no_table_is_said_with_its_path(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=name):
        read_table(path, ("names", "scores"))


def test_matlab_variables_must_fit(tmp_path: Path) -> None:
    path = write_mat(tmp_path / "a.mat", names=["a", "b"], scores=[1])
    with pytest.raises(ManifestError, match=r"of one length; found {'names': 2, 'scores': 1}"):
        read_table(path, ("names", "scores"))


def test_a_column_by_its_letters() -> None:
    table = pd.DataFrame(columns=["vid", "MOS full", "MOS_Std"])
    assert column(table, "mosfull mos") == "MOS full"
    assert column(table, "mos") is None
    assert column(table, "") is None
    with pytest.raises(ManifestError, match="could all be"):
        column(pd.DataFrame(columns=["MOS", "mos"]), "mos")
