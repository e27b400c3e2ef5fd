"""The doctor on this machine, and on ones that are ill."""

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pipeline import settings
from pipeline.cli import app
from pipeline.doctor import machine, places
from pipeline.doctor import settings as asked
from pipeline.doctor.check import Check, table

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty project with this one's settings; it is the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return tmp_path


def change(project: Path, section: str, **values: object) -> settings.Params:
    params = yaml.safe_load((project / "params.yaml").read_text())
    params[section].update(values)
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    return settings.load(project / "params.yaml")


def doctor(*words: str) -> tuple[int, dict[str, Check]]:
    done = CliRunner().invoke(app, ["doctor", "--json", *words])
    found = {item["name"]: Check(**item) for item in json.loads(done.stdout)}
    return done.exit_code, found


def test_this_installation_is_whole(project: Path) -> None:
    code, found = doctor()
    assert code == 0, found
    for name in ("torch", "h5py", "decoders", "token files", "params.yaml"):
        assert found[name].state == "ok", found[name]
    assert "HDF5 " in found["h5py"].found
    assert found["spatial weights"].advice == "run `lmm-vqa weights spatial`"
    assert found["DVC links"].state == "warning"  # no .dvc here
    done = CliRunner().invoke(app, ["doctor"])
    assert done.stdout.splitlines()[-1].endswith("0 problem")


def test_wrong_settings_are_a_problem_and_the_rest_is_still_looked_at(project: Path) -> None:
    (project / "params.yaml").write_text("seed: x\n")
    code, found = doctor()
    assert code == 1
    assert found["params.yaml"].state == "problem" and "seed" in found["params.yaml"].found
    assert found["torch"].state == "ok"


def test_missing_decoders_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "decoders", lambda: {"hevc", "libvpx-vp9"})
    (check,) = [check for check in machine.pyav() if check.name == "decoders"]
    assert check.state == "warning" and "H.264" in check.found and "VP9" not in check.found


def test_a_missing_package_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PACKAGES", ("numpy", "no-such-package"))
    states = {check.name: check.state for check in machine.versions()}
    assert states["numpy"] == "ok" and states["no-such-package"] == "problem"


@pytest.mark.parametrize(("free", "state"), [(10**8, "problem"), (5 * 10**9, "warning")])
def test_a_full_disk(project: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    usage = places.shutil._ntuple_diskusage(10**12, 10**12 - free, free)
    monkeypatch.setattr(places.shutil, "disk_usage", lambda _: usage)
    assert places.disk("space", project / "not/yet/there").state == state


def test_links_that_damage_dvcs_cache_are_warned_of(project: Path) -> None:
    (project / ".dvc").mkdir()
    config = project / ".dvc/config"
    config.write_text('[cache]\n    type = "hardlink,symlink"\n')
    *_, links = places.dvc(project, project / "data")
    assert links.state == "warning" and "hardlink, symlink" in links.found
    (project / ".dvc/config.local").write_text("[cache]\n    type = reflink,copy\n    dir = ../c\n")
    _, links = places.dvc(project, project / "data")
    assert links.state == "ok"
    assert places.dvc_cache(project) == (project / ".dvc/../c", ["reflink", "copy"])
    config.write_text("not ini")
    (only,) = places.dvc(project, project / "data")
    assert only.state == "problem"


def test_locks_are_tried_for_real(tmp_path: Path) -> None:
    token_files, locks = places.hdf5(tmp_path)
    assert token_files.state == locks.state == "ok"
    assert "lock" in locks.found
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_hub_is_asked_and_says_so(
    project: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = change(project, "tune", llm="meta-llama/Meta-Llama-3-8B-Instruct")
    monkeypatch.setenv("HF_ENDPOINT", server)
    *_, llm = asked.weights(params)
    assert llm.state == "ok" and server in llm.found  # any status is an answer
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    *_, llm = asked.weights(params)
    assert llm.state == "warning" and "is not reachable" in llm.found


def test_weights_files(project: Path) -> None:
    (project / "mine.safetensors").write_bytes(b"x" * 10)
    params = change(project, "spatial", pretrained="mine.safetensors")
    assert next(iter(asked.weights(params))).state == "ok"
    params = change(project, "spatial", pretrained="other.safetensors")
    assert next(iter(asked.weights(params))).state == "problem"
    params = change(project, "spatial", pretrained="random")
    assert next(iter(asked.weights(params))).state == "warning"


def test_a_data_set_that_is_not_there_is_a_problem(project: Path) -> None:
    (project / "videos").mkdir()
    params = change(
        project, "datasets", mine={"root": "videos", "labels": "l.csv"}, ok={"root": "videos"}
    )
    states = {check.name: check.state for check in asked.datasets(params)}
    assert states["data set mine"] == "problem" and states["data set ok"] == "ok"
    assert states["data set demo"] == "warning"  # a stage makes it


@pytest.mark.slow
def test_a_scheduler_is_really_reached(project: Path) -> None:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, processes=False, dashboard_address=None, threads_per_worker=1
    ) as cluster:
        params = settings.load(project / "params.yaml", {"scheduler": "tcp://x:1"})
        there = params.model_copy(
            update={"run": params.run.model_copy(update={"scheduler": cluster.scheduler_address})}
        )
        assert asked.scheduler(there).state == "ok"
        assert asked.scheduler(there).found.endswith("1 workers")
    gone = settings.load(project / "params.yaml", {"scheduler": f"tcp://127.0.0.1:{closed_port()}"})
    assert asked.scheduler(gone).state == "problem"


def test_the_table_says_what_to_do() -> None:
    text = table([Check("a", "ok", "fine"), Check("long name", "problem", "gone", "mend it")])
    assert text.splitlines() == [
        "ok       a          fine",
        "problem  long name  gone",
        "                    -> mend it",
        "1 ok, 0 warning, 1 problem",
    ]
