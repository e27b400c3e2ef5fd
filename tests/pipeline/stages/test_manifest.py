import os
from pathlib import Path

import pandas as pd
import pytest

from pipeline import layout, manifest
from pipeline.labels import ManifestError
from pipeline.settings import DatasetSettings, Params, load
from pipeline.stages import manifest as stage
from tests.clips import write_moving_video

ROOT = Path(__file__).parents[3]


def params(**datasets: DatasetSettings) -> Params:
    loaded = load(ROOT / "params.yaml")
    return loaded.model_copy(update={"datasets": datasets})


def test_writes_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_moving_video(Path("videos/a.mp4"))
    stage.run(params(mine=DatasetSettings(root=Path("videos"))), "mine")
    assert manifest.read(layout.manifest("mine"))["video_id"].tolist() == ["a"]


def test_what_has_no_label_or_no_file_is_listed_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (b"a.mp4", b"x.mp4", b"caf\xe9.mp4"):
        write_moving_video(Path("videos/clip.mp4")).rename(os.fsdecode(b"videos/" + name))
    Path("videos/labels.csv").write_text("filename,mos\na,5\nlost,6\n")
    settings = DatasetSettings(root=Path("videos"), labels=Path("labels.csv"), allow_missing=True)
    stage.run(params(mine=settings), "mine")
    assert manifest.read(layout.manifest("mine"))["video_id"].tolist() == ["a"]
    assert pd.read_csv(layout.unmatched("mine")).to_numpy().tolist() == [
        ["lost", "missing"],
        ["caf\\udce9.mp4", "extra"],
        ["x.mp4", "extra"],
    ]
    assert "mine: 1 videos are labelled but not in the folder: lost;" in caplog.text
    assert "mine: 2 videos are in the folder but without a label, left out" in caplog.text
    assert pd.read_csv(layout.chunk_labels("mine")).empty


def test_an_unknown_data_set_is_named_with_those_that_exist() -> None:
    with pytest.raises(ManifestError, match="no data set 'b'; it has a"):
        stage.run(params(a=DatasetSettings(root=Path("x"))), "b")
