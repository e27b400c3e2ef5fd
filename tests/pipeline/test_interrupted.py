"""Extraction interrupted for real: SIGKILL at every step, a full disk, a read-only folder."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from pipeline import journal
from pipeline.cache import INDEX, CacheError, TokenCache
from pipeline.extract import extract
from pipeline.plan import plan
from pipeline.storage import StorageError
from tests.clips import write_moving_video
from tests.pipeline import runs
from tests.pipeline.test_extract import HERE, spatial, stamps, table


@pytest.mark.slow
def test_killed_at_every_step_of_writing(tmp_path: Path) -> None:
    project = runs.make_project(tmp_path / "project", ["a", "b"], scheduler="none")
    done = subprocess.run(
        [sys.executable, "-m", "tests.pipeline.killed_everywhere", str(project)],
        cwd=runs.ROOT, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20  # opened, synced, renamed, ... two token files, index, journal


@pytest.mark.slow
def test_the_whole_run_is_killed_and_starts_again(tmp_path: Path) -> None:
    names = [f"v{n:02}" for n in range(24)]
    project = runs.make_project(tmp_path / "project", names, seconds=4, workers=2)
    folder = project / "data/mine/spatial"
    process = runs.start(project, "spatial", "mine")
    started = psutil.Process(process.pid)
    wait_for(lambda: len(list(folder.glob("v*.h5"))) >= 3, process)
    children = started.children(recursive=True)
    assert any("decode_child" in " ".join(child.cmdline()) for child in children)
    os.kill(process.pid, signal.SIGKILL)  # it alone: the others must notice by themselves
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]

    finished = {p: p.stat().st_mtime_ns for p in folder.glob("v*.h5")}
    assert 3 <= len(finished) < len(names)
    assert not (folder / INDEX).exists()
    with pytest.raises(CacheError, match="not finished"):
        TokenCache(folder)
    said = runs.run(project, "spatial", "mine", "--scheduler", "none")
    assert f"{len(finished)} cached, {len(names) - len(finished)} to do" in said
    assert {p: p.stat().st_mtime_ns for p in finished} == finished
    assert sorted(TokenCache(folder).videos) == names
    assert not list(folder.glob(".tmp-*"))


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    """Wait until something has happened; a run that ends before it is an error."""
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "nothing happened in two minutes"
        time.sleep(0.01)


@contextmanager
def mounted(folder: Path, size_kb: int) -> Iterator[None]:
    """A real file system of its own, so small that it fills up."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(folder)],
        capture_output=True, text=True,
    )  # fmt: skip
    if made.returncode:
        pytest.skip(f"this system does not permit a mount: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)


def test_a_full_disk_stops_the_run_once_and_keeps_what_is_done(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(8):
        write_moving_video(tmp_path / f"videos/{n}.mp4", n, seconds=1)
    listed = table(tmp_path).assign(duration_s=0.0)  # not known to be done at once
    small = tmp_path / "small"
    with mounted(small, size_kb=16):
        with pytest.raises(StorageError, match=r"No space left.*make room.*same command again"):
            extract(listed, (spatial(small),), HERE)
        assert "MB are free there" in caplog.text  # was to be expected, and was said
        finished = stamps(small)
        assert 0 < len(finished) < 8
        assert not (small / "spatial" / INDEX).exists()
        assert not list((small / "spatial").glob(".tmp-*"))  # what did not fit takes no room
        assert plan(listed, (spatial(small),), HERE).current == len(finished)
        remount(small, "size=1024k")
        extract(listed, (spatial(small),), HERE)
        assert finished.items() <= stamps(small).items()
        assert len(TokenCache(small / "spatial").videos) == 8


def test_a_read_only_folder_is_said_before_anything_is_encoded(tmp_path: Path) -> None:
    write_moving_video(tmp_path / "videos/a.mp4", seconds=1)
    listed = table(tmp_path)
    with mounted(tmp_path / "fixed", size_kb=512):
        extract(listed, (spatial(tmp_path / "fixed"),), HERE)
        write_moving_video(tmp_path / "videos/b.mp4", seconds=1)
        remount(tmp_path / "fixed", "ro")
        before = runs.token_bytes(tmp_path / "fixed")
        with pytest.raises(StorageError, match=r"Read-only file system; make the folder writable"):
            extract(table(tmp_path), (spatial(tmp_path / "fixed"),), HERE)
        assert runs.token_bytes(tmp_path / "fixed") == before
        assert set(TokenCache(tmp_path / "fixed/spatial").videos) == {"a"}  # still of use


def test_two_runs_do_not_fill_one_folder(tmp_path: Path) -> None:
    write_moving_video(tmp_path / "videos/a.mp4", seconds=1)
    with (
        journal.writing(tmp_path / "spatial"),
        pytest.raises(StorageError, match="another run is filling this folder"),
    ):
        extract(table(tmp_path), (spatial(tmp_path),), HERE)
