"""Extraction on Dask processes that were started elsewhere: own addresses, one shared folder."""

import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from pipeline.cache import TokenCache
from pipeline.cluster import ClusterError, connected
from pipeline.extract import extract
from pipeline.settings import RunSettings
from tests.clips import write_moving_video
from tests.pipeline import runs
from tests.pipeline.networks import namespaces
from tests.pipeline.test_extract import HERE, spatial, table

pytestmark = pytest.mark.slow
T = TypeVar("T")
NAMES = [f"v{n:02}" for n in range(10)]


@contextmanager
def process(command: Sequence[str], folder: Path, *path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run a server in a folder of its own, and end it with its children."""
    folder.mkdir(parents=True)
    with (folder / "log").open("w") as log:
        started = subprocess.Popen(
            command, cwd=folder, env=runs.environment(*path), stdout=log, stderr=log, text=True,
            start_new_session=True,
        )  # fmt: skip
        try:
            yield started
        finally:
            family = [started, *psutil.Process(started.pid).children(recursive=True)]
            for member in family:
                member.kill()
            started.wait()


def dask(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:])


def wait_for(something: Callable[[], T]) -> T:
    """Return it as soon as it is there."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if found := something():
            return found
        time.sleep(0.05)
    raise AssertionError("nothing happened in 90 seconds")


def worker_process(nanny: "subprocess.Popen[str]") -> psutil.Process:
    """Return the process that a nanny watches over, once it decodes."""

    def busy() -> psutil.Process | None:
        for child in psutil.Process(nanny.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # some live for a moment only
                if any("decode_child" in " ".join(c.cmdline()) for c in child.children()):
                    return child
        return None

    found = wait_for(busy)
    assert found
    return found


def test_machines_that_share_only_a_folder_give_the_same_bytes(tmp_path: Path) -> None:
    project = runs.make_project(tmp_path / "project", NAMES, seconds=2)
    folder = project / "data/mine/spatial"
    runs.run(project, "spatial", "mine", "--scheduler", "none")
    alone = runs.token_bytes(folder)
    shutil.rmtree(folder)

    with namespaces(4) as machines, ExitStack() as stack:
        (hub, address), one, two, mine = machines
        server = dask("dask_scheduler", "--host", address, "--port", "8786")
        board = ("--dashboard-address", ":8787")
        stack.enter_context(process([*hub, *server, *board], tmp_path / "scheduler"))

        def join(machine: tuple[tuple[str, ...], str], name: str) -> "subprocess.Popen[str]":
            worker = dask("dask_worker", f"tcp://{address}:8786", "--nthreads", "1")
            options = ["--host", machine[1], "--no-dashboard"]
            return stack.enter_context(process([*machine[0], *worker, *options], tmp_path / name))

        first = join(one, "worker1")
        client = runs.start(
            project, "spatial", "mine", "--scheduler", f"tcp://{address}:8786",
            "--performance-report", "results/dask.html", prefix=mine[0],
        )  # fmt: skip
        busy = worker_process(first)
        busy.suspend()  # in the midst of its work, which it keeps for now
        worker_process(join(two, "worker2"))  # joins late and is given work
        busy.kill()  # its nanny starts another
        said, _ = client.communicate(timeout=200)
        assert client.returncode == 0, said
    assert f"tcp://{address}:8786, 1 workers, dashboard http://{address}:8787/status" in said
    assert runs.token_bytes(folder) == alone
    report = (project / "results/dask.html").read_text()
    assert "<title>Dask Performance Report</title>" in report


def test_the_dashboard_is_really_served() -> None:
    from urllib.request import urlopen

    with connected(RunSettings(workers=1, device="cpu"), 1) as client:
        assert client
        with urlopen(client.dashboard_link, timeout=20) as page:
            assert b"Dask" in page.read()


def test_no_scheduler_is_one_clear_error() -> None:
    run = RunSettings(scheduler="tcp://127.0.0.1:1")
    with pytest.raises(ClusterError, match="no Dask scheduler answers"), connected(run, 1):
        pass


def test_a_lost_scheduler_is_one_clear_error(tmp_path: Path) -> None:
    project = runs.make_project(tmp_path / "project", NAMES, seconds=8)
    folder = project / "data/mine/spatial"
    file = tmp_path / "scheduler.json"
    told = ("--scheduler-file", str(file), "--no-dashboard")
    here = ("--host", "127.0.0.1")
    with (
        process([*dask("dask_scheduler", *told, *here, "--port", "0")], tmp_path / "s") as server,
        process([*dask("dask_worker", *told, *here, "--nthreads", "1")], tmp_path / "w"),
    ):
        address = wait_for(lambda: file.exists() and json.loads(file.read_text())["address"])
        client = runs.start(project, "spatial", "mine", "--scheduler", address)
        wait_for(lambda: list(folder.glob("v*.h5")))
        server.kill()
        said, _ = client.communicate(timeout=100)
    assert client.returncode == 1, said
    assert "error: tcp://127.0.0.1" in said and "the scheduler has gone" in said
    finished = {path: path.stat().st_mtime_ns for path in folder.glob("v*.h5")}
    runs.run(project, "spatial", "mine", "--scheduler", "none")
    assert set(TokenCache(folder).videos) == set(NAMES)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


def test_without_a_cluster_nothing_is_touched(tmp_path: Path) -> None:
    write_moving_video(tmp_path / "videos/a.mp4", seconds=1)
    extract(table(tmp_path), (spatial(tmp_path),), HERE)
    write_moving_video(tmp_path / "videos/b.mp4", seconds=1)
    with pytest.raises(ClusterError, match="report needs Dask"):
        extract(table(tmp_path), (spatial(tmp_path),), HERE, report=tmp_path / "r.html")
    assert set(TokenCache(tmp_path / "spatial").videos) == {"a"}


def test_the_slurm_job_runs_as_it_is(tmp_path: Path) -> None:
    project = runs.make_project(tmp_path / "project", ["a", "b"])
    programs = tmp_path / "bin"
    programs.mkdir()
    # srun as it is on one node: it leaves out its own options and runs the command
    (programs / "srun").write_text(
        '#!/bin/bash\nwhile [[ $1 == --* ]]; do shift; done\nexec "$@"\n'
    )
    (programs / "srun").chmod(0o755)
    environment = runs.environment()
    environment["PATH"] = f"{programs}:{Path(sys.executable).parent}:{environment['PATH']}"
    with (tmp_path / "log").open("w") as log:
        job = subprocess.Popen(
            ["bash", str(runs.ROOT / "docs/cluster/slurm.sbatch"), "mine"],
            cwd=project, env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            code = job.wait(180)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(job.pid, signal.SIGKILL)
    assert code == 0, (tmp_path / "log").read_text()
    for kind in ("spatial", "temporal"):
        assert set(TokenCache(project / "data/mine" / kind).videos) == {"a", "b"}
    assert not list(project.glob(".dask-*"))


def test_the_jobqueue_script_asks_slurm_for_one_task_of_four_cores() -> None:
    pytest.importorskip("dask_jobqueue", reason="the extra `slurm` is not installed")
    script = runpy.run_path(str(runs.ROOT / "docs/cluster/slurm_jobqueue.py"))
    with script["make_cluster"]() as cluster:
        job = cluster.job_script()
    assert "#SBATCH --cpus-per-task=4" in job
    assert "--nthreads 1" in job and "--nworkers" not in job
