from pathlib import Path

import pandas as pd
import pytest

from llm_head import checkpoint
from llm_head.baselines import BASELINES
from llm_head.levels import level_of
from llm_head.predictions import COLUMNS
from llm_head.readout import ReadOut
from llm_head.timeline import timeline
from llm_head.timeline_metrics import SECONDS
from pipeline import layout, manifest
from pipeline.cache import Kind, TokenCache
from pipeline.stages import instruct, predict, tune
from pipeline.stages.predict import PredictError
from tests.synthetic import make_caches, make_manifest, make_params
from tests.tiny_llm import save_tiny_llm


def kinds(tokens: str) -> list[Kind]:
    return ["spatial", "temporal"] if tokens == "both" else [tokens]  # type: ignore[list-item]


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

    tested = set(table["video_id"][table["split"] == "test"]) & set(found["video_id"])
    seconds = pd.read_csv(layout.timelines("syn"))
    assert seconds.columns.tolist() == list(SECONDS)
    assert set(seconds["video_id"]) == tested and len(seconds) > len(tested) > 0
    head = checkpoint.load(
        layout.MODEL, {k: TokenCache(layout.cache("syn", k)).fingerprint for k in kinds(tokens)}
    )
    video_id = seconds["video_id"][0]
    cached = {kind: TokenCache(layout.cache("syn", kind)).read(video_id) for kind in kinds(tokens)}
    alone = timeline(
        ReadOut(head.model, head.chat, head.level_std),
        {kind: part.tokens for kind, part in cached.items()},
        head.shape,
        next(iter(cached.values())).pts_s.tolist(),
    )
    of_it = seconds[seconds["video_id"] == video_id]
    assert of_it["score"].tolist() == [round(second.score, 4) for second in alone]
    assert of_it["start_s"].tolist() == [second.start_s for second in alone]

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
