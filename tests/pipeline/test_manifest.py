import csv
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline import manifest
from pipeline.labels import ManifestError, read_labels
from pipeline.settings import DatasetSettings
from pipeline.survey import survey


def test_facts_hashes_and_round_trip(tmp_path: Path, moving_video: Callable[..., Path]) -> None:
    good = moving_video("in/good.mp4")
    (tmp_path / "in" / "bad.mp4").write_bytes(b"junk" * 100)
    table = survey(read_labels(DatasetSettings(root=tmp_path / "in"), seed=0))
    path = tmp_path / "manifest.csv"
    manifest.write(path, table)
    read = manifest.read(path).set_index("video_id")
    row = read.loc["good"]
    assert row["sha256"] == sha256(good.read_bytes()).hexdigest()
    assert (row["width"], row["height"], row["fps"], row["codec"]) == (64, 48, 12, "h264")
    assert row["content"] == "" and row["mos"] != row["mos"]
    assert read.loc["bad", "width"] == 0  # kept: extraction records it as failed
    assert "not a video" in read.loc["bad", "problem"] and row["problem"] == ""
    first = path.read_bytes()
    manifest.write(path, table)
    assert path.read_bytes() == first


def test_ids_that_look_like_numbers_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    header = ",".join(manifest.COLUMNS)
    path.write_text(f"{header}\n007,NA,,,,,,1e5,test" + "," * 10 + "\n")
    row = manifest.read(path).iloc[0]
    assert (row["video_id"], row["path"], row["mos_source"]) == ("007", "NA", "1e5")


def test_a_manifest_from_before_folds_and_deviations_still_reads(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    old = [c for c in manifest.COLUMNS if c not in manifest.LATER_COLUMNS]
    path.write_text(",".join(old) + "\nv" + "," * (len(old) - 1) + "\n")
    read = manifest.read(path)
    assert read[list(manifest.LATER_COLUMNS)].isna().all().all()
    assert dict(read.dtypes)["fold"] == "Int64"


def test_whole_numbers_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    (tmp_path / "a.mp4").touch()
    (tmp_path / "labels.csv").write_text("filename,mos,fold,n_ratings\na,5,3,\n")
    labels = read_labels(DatasetSettings(root=tmp_path, labels=Path("labels.csv")), seed=0)
    manifest.write(path, survey(labels))
    row = next(csv.DictReader(path.read_text().splitlines()))
    assert (row["fold"], row["n_ratings"]) == ("3", "")
    assert manifest.read(path).loc[0, "fold"] == 3


def test_bytes_that_are_no_text_among_whole_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(b"video_id,fold,n_ratings,size_bytes\na,1,2,4\xff2\n")
    with pytest.raises(ManifestError, match="not a CSV table"):
        manifest.read(path)


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="missing; run"):
        manifest.read(tmp_path / "demo" / "manifest.csv")
    (tmp_path / "m.csv").write_text("video_id\na\n")
    with pytest.raises(ManifestError, match="columns"):
        manifest.read(tmp_path / "m.csv")
