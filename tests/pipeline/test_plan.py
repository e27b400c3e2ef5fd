"""A plan trusts what it has seen and looks at what it has not; it is never wrong about a file."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from pipeline import encode, journal
from pipeline import plan as plan_module
from pipeline.cache import INDEX, TokenCache
from pipeline.encode import Job, Target, Video, WorkerError, encode_video
from pipeline.estimate import estimate, is_short
from pipeline.extract import extract
from pipeline.plan import Plan, plan
from pipeline.settings import RunSettings
from tests.clips import write_moving_video
from tests.pipeline.test_extract import HERE, TEMPORAL, spatial, stamps, table

NAMES = ("a", "b", "c")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with three videos whose spatial cache is finished."""
    for seed, name in enumerate(NAMES):
        write_moving_video(tmp_path / f"videos/{name}.mp4", seed, seconds=2)
    extract(table(tmp_path), (spatial(tmp_path),), HERE)
    return tmp_path


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the files that plans have opened, as they do it."""
    names: list[str] = []
    real = plan_module.stale_reason

    def counted(path: Path, *rest: str) -> str | None:
        names.append(path.stem)
        return real(path, *rest)

    monkeypatch.setattr(plan_module, "stale_reason", counted)
    return names


@pytest.fixture
def fresh_encoders() -> Iterator[None]:
    """Build encoders anew in this test and after it."""
    encode._built.cache_clear()
    yield
    encode._built.cache_clear()


def planned(folder: Path, run: RunSettings = HERE, **changes: object) -> Plan:
    return plan(table(folder), (spatial(folder, **changes),), run)


def test_what_has_not_changed_is_not_opened(folder: Path, opened: list[str]) -> None:
    assert planned(folder).current == 3
    assert planned(folder, layers=(0,)).reasons == {"made with other settings or weights": 3}
    write_moving_video(folder / "videos/b.mp4", 7)
    assert planned(folder).reasons == {"the video has changed": 1}
    assert opened == []


def test_a_restored_file_is_looked_at_and_not_redone(folder: Path, opened: list[str]) -> None:
    path = folder / "spatial/b.h5"
    shutil.copy(path, folder / "b")  # as DVC does when it restores or unlinks an output
    os.replace(folder / "b", path)
    os.utime(folder / "spatial/c.h5")
    before = stamps(folder)
    extract(table(folder), (spatial(folder),), HERE)
    assert opened == ["b", "c"]
    assert stamps(folder) == before
    assert planned(folder).current == 3
    assert opened == ["b", "c"]  # and not again


def test_damage_that_keeps_size_and_time_is_found(folder: Path) -> None:
    path = folder / "spatial/b.h5"
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[content.find(TokenCache(folder / "spatial").read("b").tokens[1].tobytes())] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert planned(folder).reasons == {"the file is damaged": 1}
    extract(table(folder), (spatial(folder),), HERE)
    assert len(TokenCache(folder / "spatial").read("b").tokens) == 2


@pytest.mark.parametrize("damage", ["lost", "torn", "another version", "not text"])
def test_without_its_journal_a_plan_is_still_right(
    folder: Path, opened: list[str], damage: str
) -> None:
    path = journal.path_of(folder / "spatial")
    content = path.read_bytes()
    (folder / "spatial" / INDEX).unlink()  # as after a run that was killed
    path.write_bytes(
        {
            "lost": b"",
            "torn": content[: len(content) // 2],
            "another version": b"b.h5\t1\t2\n" * 3,
            "not text": bytes(range(256)) * 9,
        }[damage]
    )
    assert planned(folder).current == 3
    assert opened
    before = stamps(folder)
    extract(table(folder), (spatial(folder),), HERE)
    assert stamps(folder) == before
    assert path.read_bytes() == content


@pytest.mark.usefixtures("fresh_encoders")
@pytest.mark.parametrize("module", ["encoders.spatial", "pipeline.video"])
def test_a_raised_version_redoes_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setattr(f"{module}.VERSION", 1000)
    encode._built.cache_clear()
    assert planned(folder).reasons == {"made with other settings or weights": 3}
    before = stamps(folder)
    extract(table(folder), (spatial(folder),), HERE)
    assert all(before[name] != stamps(folder)[name] for name in NAMES)
    assert planned(folder).current == 3


def test_files_of_another_schema_are_redone_though_the_journal_knows_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert planned(folder).current == 3
    for module in ("tokens", "journal", "cache"):
        monkeypatch.setattr(f"pipeline.{module}.SCHEMA", 1000)
    assert sum(planned(folder).reasons.values()) == 3 and planned(folder).current == 0
    before = stamps(folder)
    extract(table(folder), (spatial(folder),), HERE)
    assert all(before[name] != stamps(folder)[name] for name in NAMES)
    assert planned(folder).current == 3


def test_where_and_how_fast_it_runs_redoes_nothing(folder: Path) -> None:
    elsewhere = RunSettings(
        scheduler="tcp://127.0.0.1:9", workers=7, device="cpu", decode_limit_s=5,
        decode_memory_mb=999, allow_failures=2,
    )  # fmt: skip
    assert planned(folder, elsewhere).current == 3


def test_only_the_cache_that_lacks_a_video_is_written(folder: Path) -> None:
    targets = (spatial(folder), Target(TEMPORAL, folder / "temporal"))
    before = stamps(folder)
    index = (folder / "spatial" / INDEX).read_bytes()
    extract(table(folder), targets, HERE)
    assert stamps(folder) == before
    assert (folder / "spatial" / INDEX).read_bytes() == index
    assert set(TokenCache(folder / "temporal").videos) == set(NAMES)


def test_the_estimate_is_what_comes_true(folder: Path) -> None:
    shutil.rmtree(folder / "spatial")
    ahead = estimate(planned(folder).jobs, HERE)
    assert ahead is not None
    assert (ahead.chunks, ahead.workers) == (6, 1)
    extract(table(folder), (spatial(folder),), HERE)
    written = sum(path.stat().st_size for path in (folder / "spatial").glob("*.h5"))
    assert ahead.bytes == pytest.approx(written, rel=0.1)
    assert str(ahead).startswith(f"to write: about {ahead.bytes / 1000:.1f} kB; time: about ")


@pytest.mark.parametrize(
    ("stated", "short"), [([2.0, 57.0], True), ([2.0, 58.0], False), ([2.0, 0.0], False)]
)
def test_what_is_done_at_once_is_not_estimated(stated: list[float], short: bool) -> None:
    videos = [Video(f"v{n}", Path("v.mp4"), "0" * 64, each) for n, each in enumerate(stated)]
    assert is_short([Job(Path("."), video, (), ()) for video in videos]) is short


def test_an_unreadable_first_video_does_not_spoil_the_estimate(
    tmp_path: Path, moving_video: Callable[..., Path]
) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/a.mp4").write_bytes(b"junk" * 100)
    moving_video("videos/b.mp4")
    assert estimate(planned(tmp_path).jobs, HERE) is not None


def test_a_worker_that_would_make_other_tokens_stops_the_run(folder: Path) -> None:
    job = planned(folder, layers=(0,)).jobs[0]
    other = {**job.fingerprints[0], "weights_sha256": "0" * 64}
    wrong = encode.Job(job.root, job.video, job.targets, (other,))
    with pytest.raises(WorkerError, match=r"other spatial tokens.*: weights_sha256 differ"):
        encode_video(wrong, HERE)


def test_rows_of_an_empty_manifest(tmp_path: Path) -> None:
    empty = pd.DataFrame({"video_id": [], "path": [], "sha256": []}, dtype=str)
    assert str(plan(empty, (spatial(tmp_path),), HERE)) == "0 videos: 0 cached, 0 to do (none)"
