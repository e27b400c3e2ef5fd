from pathlib import Path

import pytest

from pipeline import layout
from pipeline.cache import TokenCache
from pipeline.settings import DatasetSettings, Params, RunSettings, load
from pipeline.stages import extract, manifest
from tests.clips import write_moving_video

ROOT = Path(__file__).parents[3]


def small_params(dataset: DatasetSettings) -> Params:
    """Return the project's settings with one data set and small random encoders."""
    loaded = load(ROOT / "params.yaml")
    return loaded.model_copy(
        update={
            "datasets": {"mine": dataset},
            "spatial": loaded.spatial.model_copy(update={"pretrained": "random", "size_px": 32}),
            "temporal": loaded.temporal.model_copy(
                update={"pretrained": "random", "layers": ("2c",), "frames": 9, "size_px": 64}
            ),
            "run": RunSettings(scheduler="none", device="cpu"),
        }
    )


def test_fills_both_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_moving_video(Path("videos/a.mp4"))
    params = small_params(DatasetSettings(root=Path("videos")))
    manifest.run(params, "mine")
    extract.run(params, "mine")
    for kind in ("spatial", "temporal"):
        assert TokenCache(layout.cache("mine", kind)).read("a").tokens.shape[0] == 2
