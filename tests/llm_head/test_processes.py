"""Two processes with half of the batch each end where one process ends."""

import os
import re
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

from llm_head import processes, resume
from llm_head.tune import TuneError
from pipeline import layout, manifest
from pipeline.settings import Params
from pipeline.stages import instruct, tune
from tests.synthetic import make_caches, make_manifest, make_params
from tests.tiny_llm import save_tiny_llm

PROJECT = Path(__file__).parents[2]
PROFILES, DOCS = PROJECT / "profiles/accelerate", PROJECT / "docs"
PROGRAM = Path(sys.executable).parent / "lmm-vqa"


def make_project(
    root: Path, batch_size: int, *, shard: bool = False, mixed: bool = False, **settings: Any
) -> Params:
    """Lay out a project whose stage tune is due; mixed: its videos are of two lengths."""
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
        seconds = (2, 1, 1) if mixed else (2,)
        make_caches(layout.cache("syn", "spatial").parent, table, seconds=seconds)
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


FEWER = {
    "accelerate": ["--num_processes", "2", "--main_process_port", "0"],
    "torchrun": ["--nproc-per-node", "2"],
}


def launched(by: str, root: Path, program: Path = PROGRAM) -> subprocess.CompletedProcess[str]:
    """Run stage tune of a project by a command of docs/tuning.md, but in two processes."""
    page = (DOCS / "tuning.md").read_text()
    (words,) = re.findall(rf"^    {by} (.+) \.venv/bin/lmm-vqa tune\b", page, re.MULTILINE)
    options = [word.replace("profiles/", f"{PROJECT}/profiles/") for word in words.split()]
    return subprocess.run(
        [sys.executable, PROGRAM.parent / by, *options, *FEWER[by], program, "tune"],
        cwd=root,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("by", "learned", "shard"),
    [
        ("torchrun", LEARNED["frozen"], False),
        ("accelerate", LEARNED["frozen"], False),
        *(("torchrun", learned, True) for learned in LEARNED.values()),
    ],
    ids=["copies", "copies, accelerate", *(f"parts, {name}" for name in LEARNED)],
)
def test_two_processes_end_where_one_with_twice_the_batch_does(
    tmp_path: Path, by: str, learned: dict[str, Any], shard: bool
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    mixed = by == "accelerate"
    params = make_project(one, 4, mixed=mixed, **learned)
    make_project(two, 2, mixed=mixed, **learned, shard=shard)
    with chdir(one):
        tune.run(params)
    done = launched(by, two)
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


KILLED = f"""
import os, signal, sys
sys.path.insert(0, {str(PROJECT)!r})
from llm_head import resume
from pipeline import cli

before = resume.Saver.on_step_end
def on_step_end(saver, args, state, control, **kwargs):
    before(saver, args, state, control, **kwargs)
    if state.global_step == 6 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
resume.Saver.on_step_end = on_step_end
resume.SAVE_EVERY_S = 0.0
cli.main()
"""


@pytest.mark.slow
def test_two_processes_of_which_one_is_killed_go_on_to_the_same_bytes(tmp_path: Path) -> None:
    """8 steps in 2 epochs; the other process writes the state of step 6, and waits in vain."""
    program = tmp_path / "killed.py"
    program.write_text(KILLED)
    make_project(tmp_path, 2, mixed=True, lora_rank=2, practice_steps=2, dropout=0.1)
    done = launched("torchrun", tmp_path, program)
    assert done.returncode and "SIGKILL" in done.stderr, done.stderr[-3000:]
    (work,) = (tmp_path / layout.TUNING / "tune").iterdir()
    state = resume.last(work)
    assert state and state.name == "checkpoint-5"
    for name in ("resumed", "plain"):
        done = launched("torchrun", tmp_path)
        assert done.returncode == 0, done.stderr[-3000:]
        assert ("going on from" in done.stderr) == (name == "resumed")
        (tmp_path / layout.MODEL).rename(tmp_path / name)
    files = [path for path in (tmp_path / "plain").rglob("*") if path.is_file()]
    assert {"projector.safetensors", "adapter_model.safetensors"} < {path.name for path in files}
    for path in files:
        other = tmp_path / "resumed" / path.relative_to(tmp_path / "plain")
        assert other.read_bytes() == path.read_bytes(), path.name
