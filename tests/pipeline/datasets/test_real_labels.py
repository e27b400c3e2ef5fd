"""Every row of the real label files becomes a row, from the adapter of its data set."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import datasets, layout, manifest
from pipeline.settings import DatasetSettings, load
from pipeline.stages import manifest as stage
from tests.clips import write_moving_video

LABELS = Path(__file__).parents[4] / "shared" / "labels"
pytestmark = pytest.mark.skipif(
    not LABELS.is_dir(), reason=f"no label files in {LABELS}: they are not part of the project"
)


def names_in(file: str, column: str) -> list[str]:
    table = pd.read_csv(LABELS / file, dtype=str, keep_default_na=False)
    return list(table[column])


def lay_out(root: Path, names: list[str], *files: str) -> None:
    """Make an empty file for every name, and put copies of label files beside them."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for file in files:
        shutil.copy(LABELS / file, root / file)


def read(adapter: str, root: Path) -> datasets.Labels:
    return datasets.read(DatasetSettings(root=root, adapter=adapter), seed=0)


@pytest.mark.parametrize(
    ("adapter", "file", "column", "place", "count", "scale"),
    [
        ("konvid_1k", "KoNViD_1k_mos.csv", "flickr_id", "KoNViD_1k_videos/{}.mp4", 1200, (1, 5)),
        ("live_vqc", "LIVE-VQC_.csv", "name", "Video/{}", 585, (0, 100)),
        ("live_yt_gaming", "LIVE_Gaming.csv", "name", "mp4/{}.mp4", 600, (0, 100)),
        ("youtube_ugc", "youtube_ugc_whole.csv", "name", "original_videos_h264/{}", 1142, (1, 5)),
        ("lsvq_1080p", "LSVQ_whole_test_1080p.csv", "name", "{}.mp4", 3561, (0, 100)),
    ],
)
def test_a_list_of_one_set(
    tmp_path: Path,
    adapter: str,
    file: str,
    column: str,
    place: str,
    count: int,
    scale: tuple[float, float],
) -> None:
    names = names_in(file, column)
    lay_out(tmp_path, [place.format(name) for name in names], file)
    found = read(adapter, tmp_path)
    assert (len(found.table), found.missing, found.extra) == (count, (), ())
    assert len(names) == count
    raw = pd.read_csv(LABELS / file)["mos"].astype(float)
    low, high = scale
    assert np.allclose(np.sort(found.table["mos_raw"]), np.sort(raw))
    assert np.allclose(np.sort(found.table["mos"]), np.sort((raw - low) / (high - low) * 100))
    # each row has its own score, not only the same scores in all
    by_file = dict(zip(names, raw, strict=True))
    for row in found.table.sample(20, random_state=0).itertuples():
        stem = Path(row.path).relative_to(tmp_path).as_posix()
        name = next(n for n in names if place.format(n) == stem)
        assert row.mos_raw == pytest.approx(by_file[name])


def test_live_vqc_through_the_manifest_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clip = write_moving_video(tmp_path / "clip.mp4", seconds=1)
    (tmp_path / "set/Video").mkdir(parents=True)
    for name in names_in("LIVE-VQC_.csv", "name"):
        (tmp_path / "set/Video" / name).hardlink_to(clip)
    shutil.copy(LABELS / "LIVE-VQC_.csv", tmp_path / "set")
    params = load(Path(__file__).parents[3] / "params.yaml")
    settings = DatasetSettings(root=Path("set"), adapter="live_vqc")
    stage.run(params.model_copy(update={"datasets": {"vqc": settings}}), "vqc")
    table = manifest.read(layout.manifest("vqc")).set_index("video_id")
    assert len(table) == 585 and table.loc["R001", "mos"] == 72.4848


def test_lsvq_has_both_its_sets(tmp_path: Path) -> None:
    listed = json.loads((LABELS / "LSVQ_whole_train_ds_score.json").read_text())["annotations"]
    train = [row["image_id"] for row in listed]
    test = names_in("LSVQ_whole_test.csv", "name")
    hd = names_in("LSVQ_whole_test_1080p.csv", "name")
    files = ("LSVQ_whole_train_ds_score.json", "LSVQ_whole_test.csv")
    lay_out(tmp_path, [f"{name}.mp4" for name in train + test + hd[:3]], *files)
    found = read("lsvq", tmp_path)
    assert found.table["split"].value_counts().to_dict() == {"train": 28_013, "test": 7_220}
    assert found.missing == ()
    assert found.extra == tuple(sorted(f"{name}.mp4" for name in hd[:3]))
    by_id = found.table.set_index("video_id")
    assert by_id.loc["yfcc-batch1/725", "mos"] == 76.844
    assert by_id.loc["yfcc-batch1/747", "mos"] == 67.75
    # two names in the list end in .mp4, one has a dot in it
    assert "ia-batch20/spanishrevolution-Acampada_Sol_Comisiones-IwyMSILW9Xo" in by_id.index
    assert any(name.endswith("0904.58") for name in by_id.index)
