"""Videos that crash, hang or eat memory in the real decode process, on a real cluster."""

import csv
import threading
from pathlib import Path

import pytest

from pipeline import encode
from pipeline.cache import FAILURES, TokenCache
from pipeline.extract import ExtractError, extract
from pipeline.settings import RunSettings
from tests.clips import write_moving_video
from tests.pipeline import runs
from tests.pipeline.test_extract import spatial, table

LIMITS = {"decode_limit_s": 3.0, "decode_limit_per_chunk_s": 1.0, "decode_memory_mb": 256}
HERE = RunSettings(scheduler="none", device="cpu", **LIMITS)
GOOD = [f"good{n}" for n in range(8)]
REASONS = {
    "crash": "the decoder died of SIGSEGV",
    "hang": "the decoder hangs or is far too slow: killed",
    "hog": "the decoder took over 256 MB",
}


def failures(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / FAILURES).open() as file:
        return {row["video_id"]: row for row in csv.DictReader(file)}


@pytest.mark.slow
def test_each_costs_itself_only_even_one_that_kills_its_worker(tmp_path: Path) -> None:
    names = [*GOOD[:4], *REASONS, "killer", *GOOD[4:]]
    project = runs.make_project(tmp_path / "project", names, workers=2, **LIMITS)
    poison = runs.poison_folder(tmp_path / "poison")
    said = runs.run(project, "spatial", "mine", code=1, path=[poison])
    assert "4 of 12 videos failed, the others are done" in said
    folder = project / "data/mine/spatial"
    assert sorted(TokenCache(folder).videos) == GOOD
    assert [len(TokenCache(folder).read(name).tokens) for name in GOOD] == [1] * 8
    found = failures(folder)
    assert set(found) == {*REASONS, "killer"}
    for name, reason in REASONS.items():
        assert found[name]["reason"].startswith(f"videos/{name}.mp4: {reason}")
        assert (found[name]["stage"], found[name]["attempts"]) == ("decode", "1")
        assert found[name]["path"] == f"videos/{name}.mp4"
    assert found["killer"]["stage"] == "worker"
    assert "the worker died with it" in found["killer"]["reason"]

    # the cause is gone: only they are done, and nothing else is touched
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("good*.h5")}
    said = runs.run(project, "spatial", "mine", "--retry-failed", "--scheduler", "none")
    assert "8 cached, 4 to do (4 not encoded yet), 4 failed before" in said
    assert len(TokenCache(folder).videos) == 12
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_failures_are_counted_given_up_and_retried_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.syspath_prepend(runs.poison_folder(tmp_path / "poison"))
    monkeypatch.setattr(encode, "_own", threading.local())  # a decode process of this test's own
    for name in ("crash", "good"):
        write_moving_video(tmp_path / f"videos/{name}.mp4", seconds=1)
    listed, target = table(tmp_path), spatial(tmp_path)

    for attempt in (1, 2, 3):
        with pytest.raises(ExtractError, match="1 of 2 videos failed"):
            extract(listed, (target,), HERE)
        assert failures(target.folder)["crash"]["attempts"] == str(attempt)
    assert "1 cached, 1 to do (1 not encoded yet), 1 failed before" in caplog.text

    caplog.clear()  # not tried again, still counted and still named
    with pytest.raises(ExtractError, match="1 of 2 videos failed"):
        extract(listed, (target,), HERE)
    assert "0 to do (none), 1 failed before, 1 of them left out after 3 attempts" in caplog.text
    assert failures(target.folder)["crash"]["attempts"] == "3"
    extract(listed, (target,), HERE.model_copy(update={"allow_failures": 1}))
    assert set(TokenCache(target.folder).videos) == {"good"}

    write_moving_video(tmp_path / "videos/later.mp4", seconds=1)
    with pytest.raises(ExtractError, match=r"1 videos are still to be encoded.*without --retry"):
        extract(table(tmp_path), (target,), HERE, retry_failed=True)
    assert failures(target.folder)["crash"]["attempts"] == "4"

    # the same file under the same name in another state is another video
    write_moving_video(tmp_path / "videos/crash.mp4", seed=5, seconds=1)
    with pytest.raises(ExtractError, match="1 of 3 videos failed"):
        extract(table(tmp_path), (target,), HERE)
    assert failures(target.folder)["crash"]["attempts"] == "1"

    # whole again, by the plain command, once the cause is gone
    monkeypatch.undo()
    encode._own.__dict__.clear()
    extract(table(tmp_path), (target,), HERE)
    assert set(TokenCache(target.folder).videos) == {"crash", "good", "later"}
    assert not (target.folder / FAILURES).exists()
