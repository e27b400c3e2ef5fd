"""Joins that would be wrong are refused, and every form of labels gives the same rows."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline import datasets
from pipeline.labels import ManifestError
from pipeline.published import stem
from pipeline.settings import DatasetSettings
from tests.published import write_mat, write_mat73, write_rows

VIDEOS = {"3339962845": 4.64, "8171831850": 4.5, "6076608135": 1.0, "7": 3.0, "8": 5.0}


def konvid(root: Path, *names: str) -> Path:
    for name in names or [f"{i}.mp4" for i in VIDEOS]:
        path = root / "KoNViD_1k_videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def read(root: Path, adapter: str = "konvid_1k", **settings: object) -> datasets.Labels:
    asked = {"root": root, "adapter": adapter, **settings}
    return datasets.read(DatasetSettings.model_validate(asked), seed=0)


def mos_csv(root: Path, rows: object = VIDEOS) -> Path:
    return write_rows(root / "KoNViD_1k_metadata/KoNViD_1k_mos.csv", "flickr_id,mos", dict(rows))


def attributes(root: Path) -> None:
    rows = "".join(f"{i},{n},x_{i}.mp4,{m}\n" for i, (n, m) in enumerate(VIDEOS.items()))
    (root / "KoNViD_1k_attributes.csv").write_text("nr,flickr_id,file_name,MOS\n" + rows)


def dover(root: Path) -> None:
    rows = "".join(f"KoNViD_1k_videos/{n}.mp4, 8.008, 29.97, {m}\n" for n, m in VIDEOS.items())
    (root / "labels.txt").write_text(rows)


def questions(root: Path, name: str = "Konvid-1k_ds.json", ids: object = tuple(VIDEOS)) -> None:
    rows = []
    for video in ids:
        score = f"{20 * VIDEOS[video]:.3f}"
        rows.append({"image_id": video, "ann_type": "score", "score": score})
        rows.append({"image_id": video, "ann_type": "class", "class": "good"})
    (root / name).write_text(json.dumps({"annotations": rows}))


def mat(root: Path) -> None:
    names = [f"{n}_original_centercrop_960x540_8s.mp4" for n in VIDEOS]
    write_mat(root / "KoNViD-1k_data.mat", video_names=names, scores=list(VIDEOS.values()))


def mat73(root: Path) -> None:
    names = [f"{n}.mp4" for n in VIDEOS]
    write_mat73(root / "KoNViD-1kinfo.mat", video_names=names, scores=list(VIDEOS.values()))


@pytest.mark.parametrize("write", [mos_csv, attributes, dover, questions, mat, mat73])
def test_every_form_gives_the_same_rows(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(konvid(tmp_path))
    table = read(tmp_path).table.set_index("video_id")
    for name, mos in VIDEOS.items():
        assert table.loc[name, "mos_raw"] == pytest.approx(mos)
        assert table.loc[name, "mos"] == pytest.approx((mos - 1) / 4 * 100)
    assert table["fold"].isna().all() and table["mos_std"].isna().all()


def test_the_authors_form_comes_first_unless_another_is_named(tmp_path: Path) -> None:
    konvid(tmp_path)
    mos_csv(tmp_path, {**VIDEOS, "6076608135": 2.0})
    questions(tmp_path)
    assert read(tmp_path).table["mos_raw"].min() == 2
    assert read(tmp_path, labels="Konvid-1k_ds.json").table["mos_raw"].min() == 1
    with pytest.raises(ManifestError, match=r"no such file; see datasets.NAME.labels"):
        read(tmp_path, labels="other.csv")


def test_published_folds_are_read_beside_any_form(tmp_path: Path) -> None:
    mos_csv(konvid(tmp_path))
    names = list(VIDEOS)
    for fold in range(5):
        questions(tmp_path, f"Konvid-1k_{fold}_ds.json", names[fold : fold + 1])
    table = read(tmp_path).table.set_index("video_id")
    assert [table.loc[name, "fold"] for name in names] == [0, 1, 2, 3, 4]
    questions(tmp_path, "Konvid-1k_4_ds.json", names[:1])
    with pytest.raises(ManifestError, match=r"Konvid-1k_4_ds.json: in an earlier fold too"):
        read(tmp_path)


def test_what_is_missing_or_extra_is_named(tmp_path: Path) -> None:
    mos_csv(konvid(tmp_path, "3339962845.mp4", "99.mp4"))
    with pytest.raises(ManifestError, match=r"4 rows.*'8171831850'; '6076608135'") as error:
        read(tmp_path)
    assert "allow_missing: true" in str(error.value)
    found = read(tmp_path, allow_missing=True)
    assert list(found.table["video_id"]) == ["3339962845"]
    assert found.missing == ("8171831850", "6076608135", "7", "8")
    assert found.extra == ("99.mp4",)


def test_nothing_there_is_an_error_even_where_some_may_be_missing(tmp_path: Path) -> None:
    mos_csv(konvid(tmp_path, "99.mp4"))
    with pytest.raises(ManifestError, match="none of 5 labelled videos is below"):
        read(tmp_path, allow_missing=True)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("3339962845,4\n3339962845,3\n", "labelled twice"),
        ("3339962845,4\n3339962845.avi,3\n", "labelled twice, or alike but for suffix"),
        ("3339962845,4\nx/3339962845.mp4,3\n", "labelled twice"),
        ("3339962845,5.1\n", "MOS outside 1..5; mend the row .1 rows.: '3339962845: 5.1'"),
        ("3339962845,0.99\n", "MOS outside"),
        ("3339962845,80\n", "MOS outside 1..5"),  # a list on another scale
        ("3339962845,good\n", "KoNViD_1k_mos.csv: MOS is not a number.*good"),
        (",4\n3339962845,4\n", "rows without a name"),
        ("", "no rows of labels in it"),
    ],
)
def test_wrong_rows_are_refused(tmp_path: Path, rows: str, message: str) -> None:
    konvid(tmp_path)
    (tmp_path / "KoNViD_1k_mos.csv").write_text("flickr_id,mos\n" + rows)
    with pytest.raises(ManifestError, match=message):
        read(tmp_path)


def test_two_files_of_one_video_are_refused(tmp_path: Path) -> None:
    mos_csv(konvid(tmp_path, *(f"{i}.mp4" for i in VIDEOS), "99.mp4", "99.mkv"))
    assert read(tmp_path).extra == ("99.mkv", "99.mp4")  # no label, no matter
    (tmp_path / "KoNViD_1k_videos/3339962845.mkv").touch()
    with pytest.raises(ManifestError, match=r"several files of one video.*3339962845.mkv"):
        read(tmp_path)


def test_the_table_of_videval_with_nan_in_it(tmp_path: Path) -> None:
    for name in ("Animation_1080P-01b3.mkv", "Animation_360P-08c9.mkv"):
        path = tmp_path / "original_videos/Animation" / name.split("_")[1][:4] / name
        path.parent.mkdir(parents=True)
        path.touch()
    (tmp_path / "YOUTUBE_UGC_metadata.csv").write_text(
        "vid,x_Subjects,MOSFull,MOSChunk00,MOSChunk05,stdFull,stdChunk00,stdChunk05,bitdepth\n"
        "Animation_1080P-01b3,125,3,2,NaN,0.468,0.574,NaN,NaN\n"
        "Animation_360P-08c9,NaN,NaN,NaN,4,NaN,NaN,0.5,NaN\n"
    )
    found = read(tmp_path, "youtube_ugc")
    assert found.table["mos"].tolist()[0] == 50 and np.isnan(found.table["mos"][1])
    assert found.table["mos_source"].tolist() == ["human", ""]
    assert found.table["n_ratings"].isna().tolist() == [False, True]
    assert found.chunks[["video_id", "start_s", "mos"]].to_numpy().tolist() == [
        ["Animation_1080P-01b3", 0, 25],
        ["Animation_360P-08c9", 5, 75],
    ]


def test_letter_case_is_never_guessed(tmp_path: Path) -> None:
    (tmp_path / "Video").mkdir()
    (tmp_path / "Video/a001.mp4").touch()
    write_rows(tmp_path / "LIVE-VQC_.csv", "name,mos", {"A001.mp4": 50})
    with pytest.raises(ManifestError, match=r"differs from the file in case only.*A001: a001"):
        read(tmp_path, "live_vqc", allow_missing=True)
    write_rows(tmp_path / "LIVE-VQC_.csv", "name,mos", {"A001.mp4": 50, "a001.mp4": 60})
    with pytest.raises(ManifestError, match="labelled twice"):
        read(tmp_path, "live_vqc", allow_missing=True)


def test_copies_of_a_label_file_must_be_equal(tmp_path: Path) -> None:
    konvid(tmp_path)
    mos_csv(tmp_path)
    copy = tmp_path / "KoNViD_1k_mos.csv"
    copy.write_bytes((tmp_path / "KoNViD_1k_metadata/KoNViD_1k_mos.csv").read_bytes())
    assert len(read(tmp_path).table) == 5
    copy.write_text("flickr_id,mos\n3339962845,2\n")
    with pytest.raises(ManifestError, match=r"2 different files are called KoNViD_1k_mos.csv"):
        read(tmp_path)
    assert len(read(tmp_path, labels=copy.name, allow_missing=True).table) == 1


def test_no_known_labels_says_what_is_looked_for(tmp_path: Path) -> None:
    konvid(tmp_path)
    (tmp_path / "mine.csv").write_text("a,b\n")
    with pytest.raises(ManifestError, match=r"no labels of KoNViD-1k.*KoNViD_1k_mos.csv, "):
        read(tmp_path)
    (tmp_path / "KoNViD_1k_mos.csv").write_text("video,score\n1,2\n")
    with pytest.raises(ManifestError, match=r"no column 'flickrid'; it has .'video', 'score'."):
        read(tmp_path)


def test_a_list_on_another_scale_is_refused_even_where_each_score_could_be_right(
    tmp_path: Path,
) -> None:
    (tmp_path / "Video").mkdir()
    names = [f"A{i:03}.mp4" for i in range(20)]
    for name in names:
        (tmp_path / "Video" / name).touch()
    scores = {name: 1 + i / 5 for i, name in enumerate(names)}
    write_rows(tmp_path / "LIVE-VQC_.csv", "name,mos", scores)
    with pytest.raises(ManifestError, match=r"all 20 MOS lie in 1..4.8 of the documented 0..100"):
        read(tmp_path, "live_vqc")


@pytest.mark.parametrize("write", [write_mat, write_mat73])
def test_live_vqc_in_both_versions_of_matlab(tmp_path: Path, write: Callable[..., Path]) -> None:
    (tmp_path / "Video").mkdir()
    (tmp_path / "Video/A001.mp4").touch()
    write(tmp_path / "data.mat", video_list=["A001.mp4"], mos=[80.232])
    assert list(read(tmp_path, "live_vqc").table["mos"]) == [80.232]


def test_an_unknown_adapter_is_named_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no adapter 'konvid'.*konvid_1k.*; csv reads any"):
        read(tmp_path, "konvid")


def test_a_random_split_of_a_set_without_one(tmp_path: Path) -> None:
    names = {str(1000 + i): 1 + i / 5 for i in range(20)}
    mos_csv(konvid(tmp_path, *(f"{name}.mp4" for name in names)), names)
    table = read(tmp_path, split="random").table
    assert table["split"].value_counts().to_dict() == {"train": 14, "test": 4, "val": 2}


def test_names_lose_folder_and_video_suffix_only() -> None:
    assert stem(r"Focus\1024_x.yuv") == "1024_x"
    assert stem("ia-batch18/Road.In0904.58") == "Road.In0904.58"
    assert stem("a_crf_10_ss_00_t_20.0.MP4") == "a_crf_10_ss_00_t_20.0"
    assert np.array_equal(stem("x.mp4.mp4"), "x")
