"""The paper's benchmarks in their original layout, from manifest to table."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.settings import load
from pipeline.stages import evaluate, extract, instruct, manifest, predict, tune
from tests.test_dvc import project, repro  # noqa: F401  (project is a fixture)
from tests.tiny_llm import save_tiny_llm
from tests.trees import TREES

pytestmark = pytest.mark.slow


def set_up(project: Path, *names: str) -> list[str]:  # noqa: F811
    """Lay out data sets and name them in params.yaml; return their names there."""
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["datasets"] = {}
    for name in names:
        TREES[name](project / "sets" / name, 4)
        params["datasets"][name] = {"root": f"sets/{name}", "adapter": name}
    params["datasets"]["lsvq_1080p"] = {"root": "sets/lsvq", "adapter": "lsvq_1080p"}
    params["tune"].update(
        llm=str(save_tiny_llm(project / "llm")), train_on=["lsvq"], epochs=1, batch_size=2
    )
    params["evaluate"] = {"bootstrap": 100}
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    return list(params["datasets"])


def all_four_are_in_the_table(project: Path, names: list[str]) -> None:  # noqa: F811
    metrics = json.loads((project / "results/metrics.json").read_text())["datasets"]
    assert sorted(metrics) == sorted(names)
    assert {name: found["test"]["lmm_vqa"]["n"] for name, found in metrics.items()} == (
        dict.fromkeys(metrics, 4)
    )


def test_every_benchmark_from_the_authors_layout_to_the_metrics(
    project: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = set_up(project, "lsvq", "konvid_1k", "youtube_ugc", "live_vqc", "live_yt_gaming")
    monkeypatch.chdir(project)
    params = load()
    for name in names:
        manifest.run(params, name)
        extract.run(params, name)
    instruct.run(params, "lsvq")
    tune.run(params)
    for name in names:
        predict.run(params, name)
    evaluate.run(params)
    all_four_are_in_the_table(project, names)


def test_two_benchmarks_to_the_table_by_dvc(project: Path) -> None:  # noqa: F811
    names = set_up(project, "lsvq")
    repro(project, "evaluate")
    all_four_are_in_the_table(project, names)
    table = subprocess.run(
        [Path(sys.executable).parent / "lmm-vqa", "table"],
        cwd=project, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert all(name in table for name in names)
