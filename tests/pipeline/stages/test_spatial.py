from pathlib import Path

import pytest

from pipeline import layout
from pipeline.cache import TokenCache
from pipeline.settings import DatasetSettings
from pipeline.stages import manifest, spatial
from tests.clips import write_moving_video
from tests.pipeline.stages.test_extract import small_params


def test_fills_its_cache_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_moving_video(Path("videos/a.mp4"))
    params = small_params(DatasetSettings(root=Path("videos")))
    manifest.run(params, "mine")
    spatial.run(params, "mine", dry_run=True)
    assert not layout.cache("mine", "spatial").exists()
    spatial.run(params, "mine")
    assert TokenCache(layout.cache("mine", "spatial")).read("a").tokens.shape[0] == 2
    assert [p.name for p in Path("data/mine").iterdir() if p.is_dir()] == ["spatial"]
