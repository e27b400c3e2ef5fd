import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import layout
from pipeline.cli import app
from pipeline.report.results import ResultsError
from pipeline.stages import folds, table
from tests.pipeline.report.test_benchmark import metrics
from tests.pipeline.report.test_folds import part
from tests.pipeline.stages.test_folds import params


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_all_that_is_there_is_shown() -> None:
    with pytest.raises(ResultsError, match="run `lmm-vqa evaluate`"):
        table.run("text")
    assert "this run" not in table.run("markdown")
    for number in (1, 2):
        layout.fold("mine", number).parent.mkdir(parents=True, exist_ok=True)
        part(seed=number).to_csv(layout.fold("mine", number), index=False)
    folds.run(params(), "mine")
    layout.METRICS.write_text(json.dumps(metrics()))
    niqe = layout.baseline("niqe", "konvid").with_suffix(".json")
    niqe.parent.mkdir(parents=True)
    row = {"srcc": 0.4, "srcc_low": 0.3, "srcc_high": 0.5, "plcc_logistic": 0.45}
    niqe.write_text(json.dumps({"benchmark": "konvid_1k", **row}))
    text = table.run("markdown")
    assert "| niqe | 0.400 [0.300, 0.500] / 0.450 | - | **this run** |" in text
    assert "median of 2 folds, tuned from a head trained on syn" in text
    assert r"\begin{table*}" in table.run("latex") and table.run("csv").startswith("table,model")


def test_the_command_writes_a_file(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["table", "--format", "latex", "--output", "paper/t.tex"])
    assert done.exit_code == 0, done.output
    assert "FAST-VQA" in (tmp_path / "paper/t.tex").read_text()
    assert CliRunner().invoke(app, ["table", "--format", "word"]).exit_code == 2
