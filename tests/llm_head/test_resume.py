import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from llm_head import checkpoint, resume
from llm_head.tune import tune
from tests.llm_head.test_tune import make_config, make_records
from tests.synthetic import FINGERPRINT, make_caches, make_manifest
from tests.tiny_llm import save_tiny_llm

FOUND = {"spatial": FINGERPRINT, "temporal": FINGERPRINT}
ROOT = Path(__file__).parents[2]
TUNE = f"""
import os, signal, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from llm_head import align, resume
from tests.llm_head.test_resume import run

def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)

where, step = sys.argv[2], int(sys.argv[3])
resume.SAVE_EVERY_S = float(sys.argv[4])
if where == "align":
    align.nn.utils.clip_grad_norm_ = die
before = resume.Saver.on_step_end
def on_step_end(saver, args, state, control, **kwargs):
    before(saver, args, state, control, **kwargs)
    if state.global_step == step:
        die()
resume.Saver.on_step_end = on_step_end
run(Path(sys.argv[1]), Path(sys.argv[1]) / "never")
"""


def run(folder: Path, model: Path) -> None:
    """Tune for 3 epochs of 12 steps, of which every second is logged, and save the head.

    The videos are of two lengths, so that batches are made by length.
    """
    torch.set_num_threads(1)
    table = make_manifest(48)
    config = make_config(
        folder,
        **{"epochs": 3, "batch_size": 2, "dropout": 0.1, "learning_rate": 2e-3},
        **{"align_steps": 3, "align_weight": 1.0, "lora_rank": 2, "practice_steps": 2},
    )
    caches = make_caches(folder / "cache", table, seconds=(2, 1, 1))
    tuned = tune(make_records(table), {"d": caches}, config, "cpu", folder / "work")
    checkpoint.save(model, tuned, config, FOUND)


def killed(folder: Path, where: str, step: int = 0, save_every_s: float = 1e9) -> str:
    """Tune in a process that is killed at some place; return the last line of its state."""
    command = [sys.executable, "-c", TUNE, str(folder), where, str(step), str(save_every_s)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    states = [resume.last(work) for work in (folder / "work").glob("*")]
    return states[0].name if states and states[0] else ""


@pytest.mark.slow
def test_a_tuning_killed_again_and_again_ends_with_the_same_bytes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_tiny_llm(tmp_path / "llm")
    assert killed(tmp_path, "align") == ""
    assert killed(tmp_path, "step", 6, save_every_s=0) == "checkpoint-5"
    assert killed(tmp_path, "step", 14) == "checkpoint-12"  # the end of the first epoch
    # a state that a kill has cut short is passed over
    (work,) = (tmp_path / "work").iterdir()
    (work / "checkpoint-13").mkdir()
    with caplog.at_level("INFO", "llm_head"):
        run(tmp_path, tmp_path / "resumed")
    assert "going on from" in caplog.text and "alignment" not in caplog.text
    shutil.rmtree(tmp_path / "work")
    run(tmp_path, tmp_path / "plain")
    files = [path for path in (tmp_path / "plain").rglob("*") if path.is_file()]
    assert {"projector.safetensors", "adapter_model.safetensors"} < {path.name for path in files}
    for path in files:
        other = tmp_path / "resumed" / path.relative_to(tmp_path / "plain")
        assert other.read_bytes() == path.read_bytes(), path.name


def test_what_decides_the_weights_is_in_the_key(tmp_path: Path) -> None:
    table = make_manifest(6)
    caches = {"d": make_caches(tmp_path / "one", table)}
    other = {"d": make_caches(tmp_path / "two", table, fingerprint={"model": "b"})}
    config, records = make_config(tmp_path), make_records(table)
    first = resume.key(records, caches, config, {"llm": "a"}, "cpu")
    assert resume.key(records, caches, config, {"llm": "a"}, "cpu") == first
    changed = {
        resume.key(records[1:], caches, config, {"llm": "a"}, "cpu"),
        resume.key(records, other, config, {"llm": "a"}, "cpu"),
        resume.key(records, caches, replace(config, seed=1), {"llm": "a"}, "cpu"),
        resume.key(records, caches, config, {"llm": "b"}, "cpu"),
        resume.key(records, caches, config, {"llm": "a"}, "cuda"),
        first,
    }
    assert len(changed) == 6
