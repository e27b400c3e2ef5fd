"""Extraction on real files with a real network (random weights), here and on real Dask workers."""

import logging
from collections.abc import Callable
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from pipeline import encode, shards
from pipeline import extract as extract_module
from pipeline.cache import FAILURES, INDEX, TokenCache
from pipeline.cache_tools.pack import pack
from pipeline.encode import Target
from pipeline.extract import WAITING, ExtractError, extract
from pipeline.labels import read_labels
from pipeline.plan import plan
from pipeline.settings import DatasetSettings, RunSettings, SpatialSettings, TemporalSettings
from pipeline.survey import survey
from tests.clips import write_moving_video

HERE = RunSettings(scheduler="none", device="cpu")
SPATIAL = SpatialSettings(
    model="efficientnet_lite0",
    pretrained="random",
    layers=(1, 2),
    grid=1,
    frame="crops",
    size_px=32,
)
TEMPORAL = TemporalSettings(
    model="i3d", pretrained="random", layers=("2c",), frames=9, size_px=64
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, moving_video: Callable[..., Path]) -> Path:
    for seed, name in enumerate(("a", "b", "c")):
        moving_video(f"videos/{name}.mp4", seed)
    return tmp_path


def table(folder: Path) -> pd.DataFrame:
    return survey(read_labels(DatasetSettings(root=folder / "videos"), seed=0))


def spatial(folder: Path, **changes: object) -> Target:
    return Target(SPATIAL.model_copy(update=changes), folder / "spatial")


def stamps(folder: Path) -> dict[str, int]:
    return {p.stem: p.stat().st_mtime_ns for p in (folder / "spatial").glob("*.h5")}


def changed(before: dict[str, int], after: dict[str, int]) -> set[str]:
    return {name for name in before | after if before.get(name) != after.get(name)}


def test_tokens_are_the_encoders_own_output(folder: Path) -> None:
    from pipeline.video import chunks

    target = spatial(folder)
    extract(table(folder), (target,), HERE)
    read = TokenCache(target.folder).read("b")
    frames = [chunk.key_frame for chunk in chunks(folder / "videos/b.mp4", 0)]
    np.testing.assert_array_equal(read.tokens, encode.encoder(SPATIAL, "cpu")(frames))
    assert list(read.pts_s) == [0, 1]
    assert TokenCache(target.folder).random  # and says that the weights are
    made_by = TokenCache(target.folder).libraries("b")
    assert {name: made_by[name] for name in ("torch", "av", "h5py")} == {
        name: version(name) for name in ("torch", "av", "h5py")
    }
    assert made_by["ffmpeg"] == av.ffmpeg_version_info


def test_only_what_changed_is_encoded(folder: Path, moving_video: Callable[..., Path]) -> None:
    run = lambda **changes: extract(table(folder), (spatial(folder, **changes),), HERE)  # noqa: E731
    run()
    first = stamps(folder)
    assert set(first) == {"a", "b", "c"}
    index = (folder / "spatial" / INDEX).read_bytes()

    run()  # nothing new
    assert stamps(folder) == first
    assert (folder / "spatial" / INDEX).read_bytes() == index

    moving_video("videos/d.mp4", 4)  # added
    run()
    assert changed(first, stamps(folder)) == {"d"}

    (folder / "videos/a.mp4").unlink()  # removed
    run()
    assert set(stamps(folder)) == {"b", "c", "d"}
    assert "a" not in TokenCache(folder / "spatial")

    before = stamps(folder)
    moving_video("videos/b.mp4", 9)  # replaced under the same name
    run()
    assert changed(before, stamps(folder)) == {"b"}

    before = stamps(folder)
    damaged = folder / "spatial/c.h5"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    (folder / "spatial" / ".tmp-half.h5").write_bytes(b"half")  # of a writer that was killed
    run()
    assert changed(before, stamps(folder)) == {"c"}

    before = stamps(folder)
    run(layers=(1, 3))  # another setting that matters
    assert changed(before, stamps(folder)) == {"b", "c", "d"}


def test_packed_videos_count_as_done_and_new_ones_lie_beside(
    folder: Path, moving_video: Callable[..., Path]
) -> None:
    run = lambda **changes: extract(table(folder), (spatial(folder, **changes),), HERE)  # noqa: E731
    run()
    before = TokenCache(folder / "spatial").read("a").tokens.tobytes()
    pack(folder / "spatial")
    assert str(plan(table(folder), (spatial(folder),), HERE)) == (
        "3 videos: 3 cached, 0 to do (none)"
    )
    run()
    assert stamps(folder) == {}  # still packed

    moving_video("videos/b.mp4", 9)  # replaced
    moving_video("videos/d.mp4", 4)  # added
    (folder / "videos/c.mp4").unlink()
    run()
    assert set(stamps(folder)) == {"b", "d"}
    cache = TokenCache(folder / "spatial")
    assert set(cache.videos) == {"a", "b", "d"} and set(cache.packed) == {"a"}
    assert cache.read("a").tokens.tobytes() == before
    assert all(cache.check(video_id) is None for video_id in cache.videos)

    run(layers=(1, 3))  # nothing of the shards is left
    assert set(stamps(folder)) == {"a", "b", "d"}
    assert not list((folder / "spatial").glob("shard-*"))


@pytest.mark.parametrize("damage", ["flipped", "truncated", "without index"])
def test_a_damaged_shard_is_found_and_redone(
    folder: Path, damage: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = lambda: extract(table(folder), (spatial(folder),), HERE)  # noqa: E731
    run()
    target = folder / "spatial"
    before = {p.name: p.read_bytes() for p in target.glob("*.h5")}
    pack(target)
    run()
    monkeypatch.setattr(shards, "read", lambda *_: pytest.fail("a shard that is known is read"))
    run()
    monkeypatch.undo()
    (shard,) = shards.listed(target)
    content = bytearray(shard.read_bytes())
    content[TokenCache(target).packed["b"].tokens_at] ^= 1
    shard.write_bytes(content[: len(content) // 2] if damage == "truncated" else content)
    if damage == "without index":
        (target / INDEX).unlink()
    caplog.set_level(logging.INFO)
    run()
    assert "damaged" in caplog.text
    assert not shards.listed(target)
    assert {p.name: p.read_bytes() for p in target.glob("*.h5")} == before
    redone = 3 if damage == "truncated" else 1  # all others of the shard are kept
    assert f"{redone} to do" in caplog.text
    assert set(TokenCache(target).videos) == {"a", "b", "c"}


def test_plan_says_what_and_why_and_changes_nothing(folder: Path) -> None:
    extract(table(folder), (spatial(folder),), HERE)
    assert str(plan(table(folder), (spatial(folder),), HERE)) == (
        "3 videos: 3 cached, 0 to do (none)"
    )
    other = plan(table(folder), (spatial(folder, layers=(0,)),), HERE)
    assert "0 cached, 3 to do (3 made with other settings or weights)" in str(other)
    assert TokenCache(folder / "spatial").videos


def test_a_bad_video_costs_itself_only(folder: Path) -> None:
    (folder / "videos/bad.mp4").write_bytes(b"junk" * 500)
    with pytest.raises(ExtractError, match=r"1 of 4 videos failed.*\n  bad: .*not a video"):
        extract(table(folder), (spatial(folder),), HERE)
    assert set(TokenCache(folder / "spatial").videos) == {"a", "b", "c"}
    failures = pd.read_csv(folder / "spatial" / FAILURES)
    assert failures["video_id"].tolist() == ["bad"]
    (folder / "videos/bad.mp4").unlink()
    extract(table(folder), (spatial(folder),), HERE)
    assert not (folder / "spatial" / FAILURES).exists()


def test_a_video_that_vanishes_after_the_manifest_is_recorded(folder: Path) -> None:
    listed = table(folder)
    (folder / "videos/a.mp4").unlink()
    with pytest.raises(ExtractError, match=r"a: .*no such file"):
        extract(listed, (spatial(folder),), HERE)


@pytest.mark.slow
def test_workers_and_one_decode_for_both_give_the_same_bytes(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both(place: str) -> tuple[Target, Target]:
        return (
            Target(SPATIAL, folder / place / "spatial"),
            Target(TEMPORAL, folder / place / "temporal"),
        )

    listed = table(folder)
    for target in both("alone"):
        extract(listed, (target,), HERE)
    extract(listed, both("together"), HERE)
    with caplog.at_level(logging.INFO, logger="pipeline.cluster"):
        extract(listed, both("dask"), RunSettings(workers=2, device="cpu"))
    assert "2 workers, dashboard http" in caplog.text
    # as on a GPU: several decoders beside one encoder
    monkeypatch.setattr("pipeline.cluster.at_once", lambda run: 3)
    extract(listed, both("threads"), RunSettings(workers=1, device="cpu"))
    files = sorted(p.relative_to(folder / "alone") for p in (folder / "alone").rglob("*/*.*"))
    assert len(files) == 8
    for place in ("together", "dask", "threads"):
        for file in files:
            assert (folder / place / file).read_bytes() == (folder / "alone" / file).read_bytes()


@pytest.mark.slow
def test_more_videos_than_fit_in_flight_are_all_encoded(tmp_path: Path) -> None:
    for number in range(9):
        write_moving_video(tmp_path / f"videos/{number}.mp4", number, seconds=0.5)
    extract(table(tmp_path), (spatial(tmp_path),), RunSettings(workers=1, device="cpu"))
    cache = TokenCache(tmp_path / "spatial")
    assert len(cache.videos) == 9 > WAITING + 2
    assert all(len(cache.read(video_id).tokens) == 1 for video_id in cache.videos)


def test_a_video_that_no_worker_answers_for_is_not_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = extract_module._here
    monkeypatch.setattr(extract_module, "_here", lambda *all_of_it: islice(real(*all_of_it), 2))
    with pytest.raises(ExtractError, match=r"c: no worker has answered"):
        extract(table(folder), (spatial(folder),), HERE)
    assert set(TokenCache(folder / "spatial").videos) == {"a", "b"}
