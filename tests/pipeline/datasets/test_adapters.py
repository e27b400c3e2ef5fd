"""Every adapter on a small copy of its data set, through the manifest stage."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import datasets, layout, manifest
from pipeline.settings import DatasetSettings, Params, load
from pipeline.stages import manifest as stage
from tests.trees import TREES

ROOT = Path(__file__).parents[3]


def written(name: str, settings: DatasetSettings) -> pd.DataFrame:
    params: Params = load(ROOT / "params.yaml")
    stage.run(params.model_copy(update={"datasets": {name: settings}}), name)
    return manifest.read(layout.manifest(name))


def test_every_adapter_has_a_copy_here() -> None:
    assert set(datasets.adapters()) == {"csv", "lsvq_1080p", *TREES}


@pytest.mark.parametrize("adapter", [name for name in TREES if name != "lsvq"])
def test_a_copy_becomes_a_manifest(
    adapter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ids = TREES[adapter](tmp_path / "set", 5)
    table = written("mine", DatasetSettings(root=Path("set"), adapter=adapter)).set_index(
        "video_id"
    )
    assert sorted(table.index) == sorted(ids)
    assert np.allclose(table["mos"][ids], [0, 25, 50, 75, 100])
    assert (table["duration_s"] > 0.9).all() and set(table["split"]) == {"test"}
    assert pd.read_csv(layout.unmatched("mine")).empty


def test_lsvq_has_published_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    TREES["lsvq"](tmp_path / "set", 3)
    table = written("lsvq", DatasetSettings(root=Path("set"), adapter="lsvq", split="random"))
    assert table.groupby("split")["mos"].apply(list).to_dict() == {
        "train": [0, 50, 100],
        "test": [0, 50, 100],
    }
    hd = written("hd", DatasetSettings(root=Path("set"), adapter="lsvq_1080p"))
    assert list(hd["video_id"]) == ["yfcc-batch2/0", "yfcc-batch2/1", "yfcc-batch2/2"]
    extra = pd.read_csv(layout.unmatched("hd"))
    assert len(extra) == 6 and set(extra["what"]) == {"extra"}


def test_contents_that_belong_together(tmp_path: Path) -> None:
    found = {}
    for name in ("cvd2014", "live_qualcomm", "live_yt_hfr", "t2vqa_db", "kvq", "waterloo_4k"):
        TREES[name](tmp_path / name, 8)
        settings = DatasetSettings(root=tmp_path / name, adapter=name)
        found[name] = list(datasets.read(settings, 0).table["content"])
    assert set(found["cvd2014"]) == {"city"}
    assert set(found["live_qualcomm"]) == {"1024_tabletennisatbalboa"}
    assert set(found["live_yt_hfr"]) == {"1Runner"}
    assert set(found["t2vqa_db"]) == {'a "dog", running'}
    assert found["kvq"] == ["source-000"] * 7 + ["source-001"]
    assert found["waterloo_4k"] == [str(i) for i in range(1, 9)]


def test_youtube_ugc_gives_ratings_and_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ids = TREES["youtube_ugc"](tmp_path / "set", 3)
    (tmp_path / f"set/original_videos_h264/{ids[1]}_crf_10_ss_00_t_20.0.mp4").unlink()
    settings = DatasetSettings(root=Path("set"), adapter="youtube_ugc", allow_missing=True)
    table = written("ugc", settings).set_index("video_id")
    assert list(table.index) == [ids[0], ids[2]]
    assert list(table["n_ratings"]) == [120, 122]
    assert np.allclose(table["mos_std"], 10)  # 0.4 on a scale of 4
    assert pd.read_csv(layout.unmatched("ugc")).to_dict("list") == {
        "name": [ids[1]],
        "what": ["missing"],
    }
    chunks = pd.read_csv(layout.chunk_labels("ugc"))
    assert list(chunks["video_id"]) == [ids[0]] * 3
    assert chunks[["start_s", "end_s"]].to_numpy().tolist() == [[0, 10], [5, 15], [10, 20]]
    assert np.allclose(chunks["mos"], [0, 50, 100]) and list(chunks["mos_raw"]) == [1, 3, 5]
    assert np.allclose(chunks["mos_std"], [10, 20, 30])


def test_a_dimension_of_finevd_is_read_only_where_it_is_named(tmp_path: Path) -> None:
    TREES["finevd"](tmp_path, 2)
    asked = DatasetSettings(
        root=tmp_path, adapter="finevd", labels=Path("FINEVD_MOS_blur_metadata.csv")
    )
    assert set(datasets.read(asked, 0).table["mos"]) == {50}
    (tmp_path / "FINEVD_metadata.csv").unlink()
    with pytest.raises(datasets.ManifestError, match="no labels of FineVD"):
        datasets.read(DatasetSettings(root=tmp_path, adapter="finevd"), 0)
