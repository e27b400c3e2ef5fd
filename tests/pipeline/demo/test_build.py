from dataclasses import replace

import pandas as pd
import pytest

from pipeline.demo.build import build, find_windows
from pipeline.demo.make import DemoError
from pipeline.settings import DemoSettings

SETTINGS = DemoSettings(shots=4, wild_shots=1, clips_per_shot=2, clip_s=1.0)


def test_from_footage_to_table(small, folder, tmp_path):
    build(small, folder, tmp_path, 4, SETTINGS, seed=0, workers=2)
    table = pd.read_csv(tmp_path / "labels.csv")
    assert len(table) == 8
    assert table.shot.nunique() == 4
    assert set(table.shot.str.split("_").str[0]) == {"film", "photo"}


def test_each_stretch_is_searched(small, folder):
    film = replace(small.films[0], stretches_s=((0.0, 2.0), (3.0, 4.5)))
    found = find_windows((film,), folder, clip_s=1.0, workers=1)["film.mp4"]
    assert [len(stretch) for stretch in found] == [1, 1]
    assert found[1][0].start_s >= 3.0


def test_missing_footage_is_named(small, tmp_path):
    with pytest.raises(DemoError, match=r"has no film.mp4, photo.png; run stage footage first"):
        build(small, tmp_path, tmp_path, 4, SETTINGS, seed=0, workers=1)
