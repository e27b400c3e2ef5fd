from pathlib import Path

import pytest

from pipeline import layout
from pipeline.cache import TokenCache
from pipeline.settings import DatasetSettings
from pipeline.stages import manifest, temporal
from tests.clips import write_moving_video
from tests.pipeline.stages.test_extract import small_params


def test_fills_its_cache_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_moving_video(Path("videos/a.mp4"))
    params = small_params(DatasetSettings(root=Path("videos")))
    manifest.run(params, "mine")
    temporal.run(params, "mine", dry_run=True)
    assert not layout.cache("mine", "temporal").exists()
    temporal.run(params, "mine")
    assert TokenCache(layout.cache("mine", "temporal")).read("a").tokens.shape[0] == 2
    assert [p.name for p in Path("data/mine").iterdir() if p.is_dir()] == ["temporal"]
