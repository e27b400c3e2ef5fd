import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from llm_head.questions import SEVERITIES
from pipeline.demo import make as module
from pipeline.demo.ffmpeg import FfmpegError
from pipeline.demo.make import COLUMNS, VISIBLE, DemoError, make
from pipeline.demo.plan import Item, plan
from pipeline.demo.scan import Window
from pipeline.demo.shots import choose
from pipeline.packages import sha256


@pytest.fixture(scope="module")
def items(small) -> list[Item]:
    """Return six clips each of one shot of the film and of one photograph."""
    found = {"film.mp4": [[Window(0, 0, 0.5, 2.0)]]}
    return plan(choose(small, found, 2, 1.0, seed=0), small.ladder, 6, None, seed=0)


@pytest.fixture(scope="module")
def made(items, small, folder, tmp_path_factory) -> Path:
    """Return a data set that is made; tests only look at it."""
    root = tmp_path_factory.mktemp("made")
    make(items, small.ladder, folder, root, workers=2)
    return root


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Return the list of the clips that are encoded while the test runs."""
    names: list[str] = []
    real = module._make_clip

    def note(item, ladder, reference, root):
        names.append(item.name)
        return real(item, ladder, reference, root)

    monkeypatch.setattr(module, "_make_clip", note)
    yield names


def content(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): sha256(p) for p in root.rglob("*") if p.is_file()}


def test_the_table_has_a_row_per_clip(made, items):
    table = pd.read_csv(made / "labels.csv", keep_default_na=False)
    assert list(table.columns) == COLUMNS
    assert len(table) == len(items) == 12
    assert list(table.filename) == sorted(table.filename)
    assert all((made / name).is_file() for name in table.filename)
    assert len(list((made / "clips").iterdir())) == 12


def test_labels_are_vmaf_where_it_is_defined(made):
    table = pd.read_csv(made / "labels.csv", keep_default_na=False).set_index("impairment")
    timed = table.index.isin(["freeze", "low_frame_rate"])
    assert set(table[timed].mos) == set(table[timed].mos_source) == {""}
    mos = table[~timed].mos.astype(float)
    assert mos.between(0, 100).all()
    assert set(table[~timed].mos_source) == {"vmaf"}
    assert (mos["none"] > 95).all()
    assert (mos.drop("none") <= VISIBLE).all()


def test_what_is_impaired_has_a_severity(made):
    table = pd.read_csv(made / "labels.csv", keep_default_na=False)
    clean = table.impairment == "none"
    assert set(table[clean].severity) == {""}
    assert set(table[~clean].severity) <= set(SEVERITIES)
    assert table[~clean].severity.nunique() > 1


def test_motion_is_frozen_only_by_a_freeze(made):
    table = pd.read_csv(made / "labels.csv", keep_default_na=False)
    motion = table.groupby("impairment").motion.agg(set).to_dict()
    assert motion.pop("freeze", {"frozen"}) == {"frozen"}
    assert motion.pop("low_frame_rate", {""}) == {""}
    assert all(found == {"smooth"} for found in motion.values())


def test_the_same_bytes_twice(made, items, small, folder, tmp_path):
    make(items, small.ladder, folder, tmp_path, workers=1)
    assert content(tmp_path) == content(made)


@pytest.fixture
def copy(made, items, small, folder, tmp_path) -> Path:
    """Return a data set that is made, to be changed."""
    for path in made.rglob("*"):
        if path.is_file():
            target = tmp_path / path.relative_to(made)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(path.read_bytes())
    return tmp_path


def test_what_is_current_is_not_made_again(copy, items, small, folder, encoded):
    before = content(copy)
    make(items, small.ladder, folder, copy, workers=1)
    assert encoded == []
    assert content(copy) == before


def test_a_changed_recipe_is_the_only_one_made_again(copy, items, small, folder, encoded):
    at = next(i for i, item in enumerate(items) if item.impairment == "upscaling")
    changed = [*items[:at], replace(items[at], level=0.95), *items[at + 1 :]]
    make(changed, small.ladder, folder, copy, workers=1)
    assert encoded == [items[at].name]


def test_a_clip_that_is_no_longer_wanted_is_removed(copy, items, small, folder, encoded):
    make(items[:-1], small.ladder, folder, copy, workers=1)
    assert encoded == []
    assert len(list((copy / "clips").iterdir())) == 11
    assert len(list((copy / "recipes").iterdir())) == 11
    assert len(pd.read_csv(copy / "labels.csv")) == 11


@pytest.mark.parametrize("damage", ["cut off", "absent", "record absent", "record cut off"])
def test_a_damaged_clip_is_made_again(copy, items, small, folder, encoded, damage):
    before = content(copy)
    record = copy / "recipes" / f"{items[0].name}.json"
    clip = copy / json.loads(record.read_text())["row"]["filename"]
    match damage:
        case "cut off":
            clip.write_bytes(clip.read_bytes()[:-10])
        case "absent":
            clip.unlink()
        case "record absent":
            record.unlink()
        case "record cut off":
            record.write_text(record.read_text()[:40])
    make(items, small.ladder, folder, copy, workers=1)
    assert encoded == [items[0].name]
    assert content(copy) == before


def test_a_half_made_clip_is_not_taken_as_finished(items, small, folder, tmp_path, monkeypatch):
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "check_frames", lambda clip, frames: None)
        patch.setattr(module, "vmaf", interrupt)
        with pytest.raises(KeyboardInterrupt):
            make(items[:1], small.ladder, folder, tmp_path, workers=1)
    assert content(tmp_path) == {}
    (tmp_path / "clips" / ".tmp-killed.mp4").write_bytes(b"half")

    make(items[:1], small.ladder, folder, tmp_path, workers=1)
    assert len(list((tmp_path / "clips").iterdir())) == 1


def test_one_bad_shot_does_not_stop_the_others(items, small, folder, tmp_path, monkeypatch):
    real = module.encode

    def fail(source, filters, codec, target):
        if source.name == "reference.mp4" and "shuffleframes" in filters:
            raise FfmpegError("exit status 1")
        real(source, filters, codec, target)

    monkeypatch.setattr(module, "encode", fail)
    bad = {item.shot.name for item in items if item.impairment in module.TIMES}
    wanted = [i for i in items if i.impairment in ("none", *module.TIMES)]
    with pytest.raises(DemoError, match=rf"{len(bad)} of 2 shots failed[\s\S]*exit status 1"):
        make(wanted, small.ladder, folder, tmp_path, workers=1)
    assert not (tmp_path / "labels.csv").exists()
    assert {p.suffix for p in (tmp_path / "clips").iterdir()} == {".mp4"}
