"""The command for metrics of pyiqa, with a stand-in for the package, and with it if it is there."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import layout, manifest
from pipeline.report.results import ResultsError
from pipeline.settings import Params
from pipeline.stages import baseline, table
from pipeline.stages.baseline import BaselineError
from tests.clips import write_moving_video
from tests.synthetic import make_params

PYIQA = '''
"""Two metrics: brightness (rises with quality) and darkness (falls with it)."""
calls = 0

class Metric:
    metric_mode = "NR"

    def __init__(self, name):
        self.name, self.lower_better = name, name == "darkness"

    def __call__(self, frame):
        global calls
        calls += 1
        assert frame.shape[:2] == (1, 3) and 0 <= frame.min() and frame.max() <= 1
        return frame.mean() if self.name == "brightness" else 1 - frame.mean()

def create_metric(name, device):
    if name not in ("brightness", "darkness", "psnr"):
        raise KeyError(name)
    metric = Metric(name)
    metric.metric_mode = "FR" if name == "psnr" else "NR"
    return metric
'''


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Params]:
    """Write a data set of seven videos, of which one is broken, and a module pyiqa."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages/pyiqa.py").write_text(PYIQA)
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.delitem(sys.modules, "pyiqa", raising=False)
    paths = [write_moving_video(Path(f"{n}.mp4"), seed=n) for n in range(6)]
    broken = Path("broken.mp4")
    broken.write_bytes(b"junk" * 100)
    table = pd.DataFrame({"video_id": [*"012345", "x"], "path": [*map(str, paths), str(broken)]})
    table = table.assign(sha256=[c * 64 for c in "abcdef0"], mos=np.arange(7.0), split="test")
    manifest.write(layout.manifest("mine"), table.reindex(columns=list(manifest.COLUMNS)))
    yield make_params("llm")
    sys.modules.pop("pyiqa", None)


def test_every_labelled_video_is_scored_once(project: Params) -> None:
    with pytest.raises(BaselineError, match=r"1 videos could not be scored: x: broken\.mp4"):
        baseline.run(project, "brightness", "mine")
    found = pd.read_csv(layout.baseline("brightness", "mine"), dtype={"video_id": str})
    assert found["video_id"].tolist() == [*"012345", "x"]
    assert found["score"].iloc[:6].between(0, 1).all() and np.isnan(found["score"].iloc[6])
    numbers = json.loads(layout.baseline("brightness", "mine").with_suffix(".json").read_text())
    assert (numbers["n"], numbers["missing"], numbers["benchmark"]) == (6, 1, "mine")

    import pyiqa

    first = pyiqa.calls
    assert first == 12  # two key frames of each
    rows = manifest.read(layout.manifest("mine"))
    manifest.write(layout.manifest("mine"), rows[rows["video_id"] != "x"])
    baseline.run(project, "brightness", "mine")
    assert pyiqa.calls == first  # nothing is scored twice
    assert "brightness" in table.run("markdown")


def test_metrics_that_fall_with_quality_are_turned(project: Params) -> None:
    for metric in ("brightness", "darkness"):
        with pytest.raises(BaselineError, match="could not be scored"):
            baseline.run(project, metric, "mine")
    bright, dark = (
        pd.read_csv(layout.baseline(m, "mine"))["score"].iloc[:6]
        for m in ("brightness", "darkness")
    )
    assert bright.to_numpy() == pytest.approx(dark.to_numpy() + 1, abs=1e-5)


def test_what_cannot_be_measured_is_refused(project: Params) -> None:
    with pytest.raises(BaselineError, match="cannot make the metric 'niqee'"):
        baseline.run(project, "niqee", "mine")
    with pytest.raises(BaselineError, match="needs a reference"):
        baseline.run(project, "psnr", "mine")
    with pytest.raises(BaselineError, match="wanted a name of pyiqa"):
        baseline.run(project, "../../niqe", "mine")
    assert not layout.baseline("niqe", "mine").exists()
    with pytest.raises(ResultsError, match="has no data set 'yours'"):
        baseline.run(project, "brightness", "yours")
    with pytest.raises(ResultsError):
        table.run("text")


@pytest.mark.skipif(importlib.util.find_spec("pyiqa") is not None, reason="pyiqa is installed")
def test_without_pyiqa_the_command_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "pyiqa", raising=False)
    with pytest.raises(BaselineError, match=r"`pip install pyiqa`, and mind its licence"):
        baseline.run(make_params("llm"), "niqe", "mine")


def test_pyiqa_itself_has_what_is_called() -> None:
    pyiqa = pytest.importorskip("pyiqa", reason="pyiqa is not installed")
    assert {"niqe", "brisque"} <= set(pyiqa.list_models()) and callable(pyiqa.create_metric)
