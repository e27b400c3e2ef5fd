from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from benchmarks import ablations


def make_run(variant: str, seed: int, noise: float) -> None:
    """Write what a run leaves: scores that follow the labels but for noise."""
    rng = np.random.default_rng(seed)
    mos = np.linspace(5, 95, 40)
    table = pd.DataFrame({"mos": mos, "content": [f"scene {i // 4}" for i in range(40)]})
    table["score"] = mos + rng.normal(0, noise, 40)
    for column in (*ablations.READ_OUTS, *ablations.BESIDE):
        table[column] = mos[::-1]
    for task in ("impairment", "motion"):
        table[task] = ["blur", "noise"] * 20
        table[f"{task}_answer"] = ["blur", "noise", "blur", "blur"] * 10
    folder = ablations.folder_of(variant) / str(seed)
    folder.mkdir(parents=True)
    for name in ablations.SETS:
        table.to_csv(folder / f"{name}.csv", index=False)


def test_rows_are_compared_with_the_default_on_the_same_scenes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for seed in (0, 1):
        make_run("default", seed, noise=12)
    make_run("frozen LLM", 0, noise=80)
    make_run("frozen LLM, size cue", 0, noise=80)
    header, _, *lines = ablations.table().splitlines()
    cells = {line.split("|")[1].strip(): [c.strip() for c in line.split("|")[2:]] for line in lines}
    assert len({len(row) for row in cells.values()} | {len(header.split("|")) - 2}) == 1
    runs = [pd.read_csv(f"results/ablations/default/{seed}/demo.csv") for seed in (0, 1)]
    mean = np.mean([spearmanr(run["score"], run["mos"]).statistic for run in runs])
    assert cells["default"][0] == "2"
    assert cells["default"][1].startswith(f"{mean:.3f} [0.")
    assert cells["default"][2] == ""
    assert cells["default"][-3:-1] == ["0.750", "0.750"]
    assert cells["frozen LLM"][2].startswith("**-0.")  # surely worse
    assert cells["frozen LLM, size cue"][2].startswith("+0.000")  # the same, seen from its own base
    assert cells["frozen LLM, the generated number"][2].startswith("**-1.")
    assert cells["ridge on the same tokens"][1].startswith("-1.000")

    page = tmp_path / "docs/results.md"
    page.parent.mkdir()
    page.write_text(f"before\n{ablations.START}old\n{ablations.END}\nafter\n", encoding="utf-8")
    ablations.write("new\n")
    assert page.read_text(encoding="utf-8") == (
        f"before\n{ablations.START}new\n{ablations.END}\nafter\n"
    )
