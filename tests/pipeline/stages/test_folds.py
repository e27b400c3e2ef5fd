import json
from pathlib import Path

import pytest

from pipeline import layout
from pipeline.report.results import ResultsError
from pipeline.settings import Params
from pipeline.stages import folds
from tests.pipeline.report.test_folds import part
from tests.synthetic import make_params


def params() -> Params:
    made = make_params("llm")
    protocol = made.protocol.model_copy(update={"parts": (1, 2)})
    return made.model_copy(update={"protocol": protocol})


def test_all_parts_are_summed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        with pytest.raises(ResultsError, match=f"{number}.csv: missing; run `lmm-vqa fold mine"):
            folds.run(params(), "mine")
        layout.fold("mine", number).parent.mkdir(parents=True, exist_ok=True)
        part(seed=number).to_csv(layout.fold("mine", number), index=False)
    folds.run(params(), "mine")
    text = layout.folds("mine").read_text()
    found = json.loads(text)
    assert set(found["parts"]) == {"1", "2"} and found["start_trained_on"] == ["syn"]
    assert "NaN" not in text
    folds.run(params(), "mine")
    assert layout.folds("mine").read_text() == text
