from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.report.results import ResultsError
from pipeline.stages import compare_runs
from tests.pipeline.report.test_folds import part
from tests.synthetic import make_params

PARAMS = make_params("llm")


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    monkeypatch.chdir(tmp_path)
    table = part(seed=1, videos=80)
    rng = np.random.default_rng(0)
    table["svr"] = table["mos"] + rng.normal(0, 60, 80)
    table.to_csv("a.csv", index=False)
    table.assign(score=table["svr"]).iloc[::-1].iloc[:70].to_csv("b.csv", index=False)
    return table


def test_two_runs_are_joined_by_video_and_compared() -> None:
    text = compare_runs.run(PARAMS, "a.csv", "b.csv", "test")
    assert "70 videos of split test, 70 contents" in text
    srcc = next(line for line in text.splitlines() if line.startswith("SRCC: "))
    assert "difference +0." in srcc and "paired bootstrap" in srcc
    assert "SRCC, Steiger: z " in text and "PLCC, Williams: t " in text


def test_the_head_against_its_baseline() -> None:
    text = compare_runs.run(PARAMS, "a.csv", "a.csv:svr", "all")
    assert "80 videos of split all" in text and "second: a.csv:svr" in text
    same = compare_runs.run(PARAMS, "a.csv", "a.csv:score", "test")
    assert "difference +0.0000 [0.0000, 0.0000], p 1.0000" in same


def test_wrong_input_is_named(runs: pd.DataFrame) -> None:
    with pytest.raises(ResultsError, match=r"no column 'niqe' of numbers; it has .*ridge"):
        compare_runs.run(PARAMS, "a.csv", "a.csv:niqe", "test")
    with pytest.raises(ResultsError, match="no column 'level'"):
        compare_runs.run(PARAMS, "a.csv", "a.csv:level", "test")
    with pytest.raises(ResultsError, match="no labelled video of split val in common"):
        compare_runs.run(PARAMS, "a.csv", "b.csv", "val")
    with pytest.raises(ResultsError, match="split 'dev'"):
        compare_runs.run(PARAMS, "a.csv", "b.csv", "dev")
    runs.assign(mos=runs["mos"] + 1).to_csv("b.csv", index=False)
    with pytest.raises(ResultsError, match="disagree about the label of 80 videos, for example v0"):
        compare_runs.run(PARAMS, "a.csv", "b.csv", "test")
    runs.iloc[:4].to_csv("b.csv", index=False)
    assert "4 rows; a comparison needs 5" in compare_runs.run(PARAMS, "a.csv", "b.csv", "test")


def test_it_is_a_command() -> None:
    assert "compare-runs" in CliRunner().invoke(app, ["--help"]).output
