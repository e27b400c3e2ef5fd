from pathlib import Path

import pandas as pd
import pytest

from llm_head.baselines import BASELINES
from llm_head.levels import level_of
from llm_head.predictions import COLUMNS
from pipeline import layout, manifest
from pipeline.stages import instruct, predict, tune
from pipeline.stages.predict import PredictError
from tests.synthetic import make_caches, make_manifest, make_params
from tests.tiny_llm import save_tiny_llm


@pytest.mark.slow
@pytest.mark.parametrize("tokens", ["both", "temporal", "spatial"])
def test_predict_scores_every_video_that_has_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokens: str
) -> None:
    monkeypatch.chdir(tmp_path)
    table = make_manifest(12)
    manifest.write(layout.manifest("syn"), table)
    params = make_params(str(save_tiny_llm(tmp_path / "llm")), tokens=tokens)
    make_caches(layout.cache("syn", "spatial").parent, table[:-1])
    instruct.run(params, "syn")
    tune.run(params)
    with pytest.raises(PredictError, match=r"1 of 12 videos have no tokens, .* v11"):
        predict.run(params, "syn")
    found = pd.read_csv(layout.predictions("syn"))
    assert found.columns.tolist() == [*COLUMNS, *BASELINES]
    assert found["video_id"].tolist() == table["video_id"].tolist()[:-1]
    assert found["level"].tolist() == [level_of(score) for score in found["score"]]
    levels = found[[name for name in COLUMNS if name.startswith("p_")]]
    assert levels.sum(axis=1).tolist() == pytest.approx([1] * 11, abs=1e-3)
    assert found[["ridge", "svr"]].notna().all(axis=None)

    first = layout.predictions("syn").read_bytes()
    make_caches(layout.cache("syn", "spatial").parent, table)
    predict.run(params, "syn")
    assert layout.predictions("syn").read_bytes().startswith(first[:500])


def test_a_data_set_without_labels_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = make_manifest(6)
    for name, rows in {"syn": table, "mine": table.assign(mos=float("nan"), content="")}.items():
        manifest.write(layout.manifest(name), rows)
        make_caches(layout.cache(name, "spatial").parent, table)
    params = make_params(str(save_tiny_llm(tmp_path / "llm")))
    instruct.run(params, "syn")
    tune.run(params)
    predict.run(params, "mine")
    found = pd.read_csv(layout.predictions("mine"))
    assert found["mos"].isna().all()
    assert found["score"].between(0, 100).all()
