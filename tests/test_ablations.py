import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from benchmarks import ablation_runs as runs
from benchmarks import ablation_table
from llm_head.questions import CLOSED
from pipeline.settings import load
from tests.llm_head.test_tune import make_config, make_records
from tests.synthetic import FINGERPRINT, make_caches, make_manifest

ROOT = Path(__file__).parents[1]


def make_run(variant: str, seed: int, noise: float) -> None:
    """Write what a run leaves: scores that follow the labels but for noise."""
    rng = np.random.default_rng(seed)
    mos = np.linspace(5, 95, 40)
    table = pd.DataFrame({"mos": mos, "content": [f"scene {i // 4}" for i in range(40)]})
    table["score"] = mos + rng.normal(0, noise, 40)
    for column in (*runs.READ_OUTS, *runs.BESIDE):
        table[column] = mos[::-1]
    for task in CLOSED:
        table[task] = ["blur", "noise"] * 20
        table[f"{task}_answer"] = ["blur", "noise", "blur", "blur"] * 10
    folder = runs.folder_of(variant) / str(seed)
    folder.mkdir(parents=True)
    for name in runs.SETS:
        table.to_csv(folder / f"{name}.csv", index=False)


def test_rows_are_compared_with_the_default_on_the_same_scenes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for seed in (0, 1):
        make_run("default", seed, noise=12)
    make_run("frozen LLM", 0, noise=80)
    make_run("frozen LLM, size cue", 0, noise=80)
    header, _, *lines = ablation_table.table().splitlines()
    cells = {line.split("|")[1].strip(): [c.strip() for c in line.split("|")[2:]] for line in lines}
    assert len({len(row) for row in cells.values()} | {len(header.split("|")) - 2}) == 1
    runs = [pd.read_csv(f"results/ablations/default/{seed}/demo.csv") for seed in (0, 1)]
    mean = np.mean([spearmanr(run["score"], run["mos"]).statistic for run in runs])
    assert cells["default"][0] == "2"
    assert cells["default"][1].startswith(f"{mean:.3f} [0.")
    assert cells["default"][2] == ""
    assert [cell[:7] for cell in cells["default"][-4:-1]] == 3 * ["0.750 ["]
    assert cells["frozen LLM"][2].startswith("**-0.")  # surely worse
    assert cells["frozen LLM, size cue"][2].startswith("+0.000")  # the same, seen from its own base
    assert cells["frozen LLM, the generated number"][2].startswith("**-1.")
    assert cells["ridge on the same tokens"][1].startswith("-1.000")

    page = tmp_path / "docs/results.md"
    page.parent.mkdir()
    page.write_text(
        f"before\n{ablation_table.START}old\n{ablation_table.END}\nafter\n", encoding="utf-8"
    )
    ablation_table.write("new\n")
    assert page.read_text(encoding="utf-8") == (
        f"before\n{ablation_table.START}new\n{ablation_table.END}\nafter\n"
    )


def test_a_run_is_there_only_with_the_same_settings_tokens_and_questions(tmp_path: Path) -> None:
    table = make_manifest(4)
    caches, records = make_caches(tmp_path, table), make_records(table)
    run = runs.Run(tmp_path / "run", make_config(tmp_path), records, {"demo": caches}, False)
    assert not run.is_there()
    run.folder.mkdir()
    (run.folder / runs.ABOUT).write_text(json.dumps(run.about()))
    assert run.is_there()
    assert not replace(run, config=replace(run.config, rank_weight=0.5)).is_there()
    assert not replace(run, records=records[1:]).is_there()
    others = make_caches(
        tmp_path / "others", table, fingerprint={**FINGERPRINT, "model": "another"}
    )
    assert not replace(run, caches={"demo": others}).is_there()


def test_every_variant_changes_settings_that_there_are() -> None:
    params = load(ROOT / "params.yaml")
    for changed in runs.VARIANTS.values():
        given = {key: value for key, value in changed.items() if key != "tasks"}
        settings = {**params.tune.model_dump(), **given}
        assert params.tune.model_validate(settings).model_dump() == settings
