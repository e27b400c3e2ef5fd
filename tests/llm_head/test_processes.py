"""Two processes with half of the batch each end where one process ends."""

import os
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from safetensors.torch import load_file

from llm_head import processes
from llm_head.tune import TuneError
from pipeline import layout, manifest
from pipeline.settings import Params
from pipeline.stages import instruct, tune
from tests.synthetic import make_caches, make_manifest, make_params
from tests.tiny_llm import save_tiny_llm

PROFILES = Path(__file__).parents[2] / "profiles/accelerate"
DOCS = PROFILES.parents[1] / "docs"
PROGRAM = Path(sys.executable).parent / "lmm-vqa"


def make_project(root: Path, batch_size: int, *, shard: bool = False, **settings: Any) -> Params:
    """Lay out a project whose stage tune is due."""
    table = make_manifest(24).assign(split=["train"] * 16 + ["val"] * 8)
    params = make_params(str(save_tiny_llm(root / "llm")))
    learned = {"epochs": 2, "batch_size": batch_size, "align_steps": 4, "align_weight": 1.0}
    params = params.model_copy(
        update={
            "tune": params.tune.model_copy(update={**learned, **settings}),
            "run": params.run.model_copy(update={"shard_llm": shard}),
        }
    )
    with chdir(root):
        manifest.write(layout.manifest("syn"), table)
        make_caches(layout.cache("syn", "spatial").parent, table)
        instruct.run(params, "syn")
        Path("params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
    return params


@pytest.mark.parametrize("profile", sorted(PROFILES.glob("*.yaml")), ids=lambda path: path.stem)
def test_profiles_are_what_accelerate_reads(profile: Path) -> None:
    config = load_config_from_file(str(profile))
    assert (config.num_processes, config.num_machines, config.use_cpu) == (4, 1, False)
    command = f"accelerate launch --config_file profiles/accelerate/{profile.name} "
    assert command in profile.read_text() and command in (DOCS / "tuning.md").read_text()


def test_shards_by_accelerate_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(processes.ProcessesError, match=r"ACCELERATE_USE_FSDP is set: .*ddp\.yaml"):
        processes.begin()


def test_shards_need_several_processes_and_settings_that_allow_them(tmp_path: Path) -> None:
    params = make_project(tmp_path, batch_size=4)
    sharded = params.model_copy(update={"run": params.run.model_copy(update={"shard_llm": True})})
    with chdir(tmp_path), pytest.raises(processes.ProcessesError, match="there is one process"):
        tune.run(sharded)
    bits = params.tune.model_copy(update={"quantize": "4bit"})
    with chdir(tmp_path), pytest.raises(TuneError, match=r"tune\.quantize is 4bit; wanted none"):
        tune.run(sharded.model_copy(update={"tune": bits}))


LEARNED = {
    "frozen": {},
    "lora": {"lora_rank": 2},  # practice draws noise by the batch
    "all": {"train_llm": True},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("learned", "shard"),
    [(LEARNED["frozen"], False), *((learned, True) for learned in LEARNED.values())],
    ids=["copies", *(f"parts, {name}" for name in LEARNED)],
)
def test_two_processes_end_where_one_with_twice_the_batch_does(
    tmp_path: Path, learned: dict[str, Any], shard: bool
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    params = make_project(one, 4, **learned)
    make_project(two, 2, **learned, shard=shard)
    with chdir(one):
        tune.run(params)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", PROGRAM, "tune"],
        cwd=two,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("tuning 0.") == 1  # one of them speaks
    losses = [pd.read_csv(root / layout.MODEL / "loss.csv") for root in (one, two)]
    assert losses[0]["step"].tolist() == losses[1]["step"].tolist()
    for column in ("train_loss", "val_loss"):
        np.testing.assert_allclose(losses[0][column], losses[1][column], rtol=1e-5)
    files = [path.relative_to(one) for path in (one / layout.MODEL).rglob("*.safetensors")]
    assert len(files) == (1 if learned == LEARNED["frozen"] else 2)
    for file in files:
        alone, together = load_file(one / file), load_file(two / file)
        assert alone.keys() == together.keys()
        for name, weights in alone.items():
            torch.testing.assert_close(weights, together[name], atol=1e-5, rtol=0)
    assert not (two / layout.TUNING).exists()
