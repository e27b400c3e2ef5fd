"""The paper's benchmarks in their original layout, from manifest to table by one `dvc repro`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.test_dvc import project, repro  # noqa: F401  (project is a fixture)
from tests.tiny_llm import save_tiny_llm
from tests.trees import TREES

pytestmark = pytest.mark.slow
SETS = ("lsvq", "konvid_1k", "youtube_ugc", "live_vqc", "live_yt_gaming")


def test_from_the_authors_layout_to_the_table(project: Path) -> None:  # noqa: F811
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["datasets"] = {}
    for name in SETS:
        TREES[name](project / "sets" / name, 4)
        params["datasets"][name] = {"root": f"sets/{name}", "adapter": name}
    params["datasets"]["lsvq_1080p"] = {"root": "sets/lsvq", "adapter": "lsvq_1080p"}
    params["tune"].update(
        llm=str(save_tiny_llm(project / "llm")), train_on=["lsvq"], epochs=1, batch_size=2
    )
    params["evaluate"] = {"bootstrap": 100}
    (project / "params.yaml").write_text(yaml.safe_dump(params))

    repro(project, "evaluate")

    metrics = json.loads((project / "results/metrics.json").read_text())["datasets"]
    assert set(metrics) == {*SETS, "lsvq_1080p"}
    assert {
        name: found["test"]["lmm_vqa"]["n"] for name, found in metrics.items()
    } == dict.fromkeys(metrics, 4)
    table = subprocess.run(
        [Path(sys.executable).parent / "lmm-vqa", "table"],
        cwd=project, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert all(name in table for name in metrics)
