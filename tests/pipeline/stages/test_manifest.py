from pathlib import Path

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


def test_an_unknown_data_set_is_named_with_those_that_exist() -> None:
    with pytest.raises(ManifestError, match="no data set 'b'; it has a"):
        stage.run(params(a=DatasetSettings(root=Path("x"))), "b")
