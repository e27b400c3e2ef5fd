import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from llm_head import fit as llm_fit
from llm_head.processes import ProcessesError
from pipeline import layout, leaks, manifest
from pipeline.leaks import LeakError
from pipeline.protocol import ProtocolError
from pipeline.settings import Params
from pipeline.stages import fold, folds, instruct, tune
from tests.synthetic import make_caches, make_manifest, make_params
from tests.tiny_llm import save_tiny_llm


def write_hashes(table: pd.DataFrame, dataset: str) -> None:
    """Write hashes under which every video is its own."""
    rows = table[["video_id", "split"]].assign(
        sha256=[f"{dataset}{n}" for n in range(len(table))], version="1", hashes=""
    )
    layout.hashes(dataset).parent.mkdir(parents=True, exist_ok=True)
    rows[list(leaks.COLUMNS)].to_csv(layout.hashes(dataset), index=False)


def make_project(root: Path, **protocol: object) -> Params:
    """Write two data sets whose tokens tell the MOS; the head trains on syn, then on mine."""
    for name, seed in (("syn", 0), ("mine", 1)):
        table = make_manifest(24, seed)
        manifest.write(
            layout.manifest(name), table.assign(split="test") if name == "mine" else table
        )
        make_caches(layout.cache(name, "spatial").parent, table)
        write_hashes(table, name)
    params = make_params(str(save_tiny_llm(root / "llm")))
    settings = {"fine_tune": ("mine",), "parts": (1, 2, 3), "epochs": 2, **protocol}
    made = params.model_copy(update={"protocol": params.protocol.model_copy(update=settings)})
    return Params.model_validate(made.model_dump())


@pytest.mark.slow
@pytest.mark.parametrize("start", ["model", "scratch"])
def test_every_video_is_tested_once_and_summed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    monkeypatch.chdir(tmp_path)
    params = make_project(tmp_path, start=start)
    if start == "model":
        instruct.run(params, "syn")
        tune.run(params)
    looked_at: list[set[str]] = []
    train = llm_fit.fit

    def watched(model, samples, config, device, work):  # type: ignore[no-untyped-def]
        looked_at.append({video.video_id for part in samples.values() for video in part.videos})
        return train(model, samples, config, device, work)

    for module in ("llm_head.tune", "llm_head.finetune"):
        monkeypatch.setattr(f"{module}.fit", watched)
    tables = []
    for part in params.protocol.parts:
        fold.run(params, "mine", part)
        tables.append(pd.read_csv(layout.fold("mine", part)))
    tested = [set(table["video_id"]) for table in tables]
    assert sorted(v for part in tested for v in part) == sorted(f"v{n}" for n in range(24))
    # tuning, and the choice of its epoch, saw no test video, and everything else
    assert [len(seen & test) for seen, test in zip(looked_at, tested, strict=True)] == [0, 0, 0]
    assert [len(seen | test) for seen, test in zip(looked_at, tested, strict=True)] == [24] * 3
    for table in tables:
        assert table["score"].between(0, 100).all()
        assert np.corrcoef(table["ridge"], table["mos"])[0, 1] > 0.8  # learned from this part

    folds.run(params, "mine")
    found = json.loads(layout.folds("mine").read_text())
    srcc = [found["parts"][str(part)]["ridge"]["srcc"] for part in (1, 2, 3)]
    assert found["median"]["ridge"]["srcc"] == sorted(srcc)[1]
    assert found["videos"] == 24 and found["scheme"] == "folds"
    assert found["start_trained_on"] == (["syn"] if start == "model" else [])

    before = layout.fold("mine", 2).read_bytes()
    fold.run(params, "mine", 2)
    assert layout.fold("mine", 2).read_bytes() == before


def test_a_leak_between_the_sides_of_a_part_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    params = make_project(tmp_path)
    table = pd.read_csv(layout.hashes("mine"), dtype=str, keep_default_na=False)
    table.loc[[0, 2, 4, 6, 8, 10], "sha256"] = "same"  # of six contents
    table.to_csv(layout.hashes("mine"), index=False)
    with pytest.raises(LeakError, match=r"mine, part 1: 8 pairs .*mine/v0 is mine/v10"):
        fold.run(params, "mine", 1)
    write_hashes(make_manifest(24, 1), "mine")
    syn = pd.read_csv(layout.hashes("syn"), dtype=str, keep_default_na=False)
    syn.loc[0, "sha256"] = "mine0"  # trained on before
    syn.to_csv(layout.hashes("syn"), index=False)
    stopped = []
    for part in params.protocol.parts:
        try:
            fold._check_leaks(params, "mine", part, divided(params, part))
        except LeakError as error:
            stopped.append((part, "mine/v0 is syn/v0" in str(error)))
    assert len(stopped) == 1 and stopped[0][1]  # in the part that tests v0
    with pytest.raises(ProtocolError, match="no part 9"):
        fold.run(params, "mine", 9)


def divided(params: Params, part: int) -> pd.DataFrame:
    from pipeline.protocol import divide

    table = manifest.read(layout.manifest("mine"))
    return table.assign(split=divide(table, "mine", params.protocol, part, params.seed))


def test_parts_of_an_llm_are_not_for_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params = make_project(tmp_path)
    sharded = params.model_copy(update={"run": params.run.model_copy(update={"shard_llm": True})})
    with pytest.raises(ProcessesError, match="stage fold does not cut the LLM"):
        fold.run(sharded, "mine", 1)
