import json
import shutil
from pathlib import Path

import pytest
import torch

from llm_head import checkpoint, instruct
from llm_head.checkpoint import CheckpointError
from llm_head.config import TuneConfig
from llm_head.data import read_tokens, token_names
from llm_head.readout import Answer, ReadOut
from llm_head.tune import Tuned, tune
from tests.llm_head.test_tune import make_config
from tests.synthetic import FINGERPRINT, make_caches, make_manifest
from tests.tiny_llm import save_tiny_llm

FOUND = {"spatial": FINGERPRINT, "temporal": FINGERPRINT}


def make(
    folder: Path,
    lora_rank: int = 0,
    tokens: str = "both",
    train_llm: bool = False,
    **more: object,
) -> tuple[Tuned, TuneConfig]:
    save_tiny_llm(folder / "llm")
    table = make_manifest(6)
    caches = make_caches(folder / "cache", table)
    config = make_config(folder, lora_rank=lora_rank, tokens=tokens, train_llm=train_llm, **more)
    records = instruct.build(table, "d", ["score", "level"], token_names(caches), seed=0)
    return tune(records, {"d": caches}, config, "cpu"), config


def answer(folder: Path, head: checkpoint.Head | Tuned) -> Answer:
    caches = make_caches(folder / "again", make_manifest(6))
    tokens = read_tokens(caches, "v1", head.model.projector.shape)
    return ReadOut(head.model, head.chat, level_std=12).answers([tokens])[0]


@pytest.mark.parametrize(("lora_rank", "tokens"), [(0, "both"), (2, "both"), (0, "temporal")])
def test_a_loaded_head_answers_as_the_saved_one(
    tmp_path: Path, lora_rank: int, tokens: str
) -> None:
    tuned, config = make(tmp_path, lora_rank, tokens)
    checkpoint.save(tmp_path / "model", tuned, config, FOUND)
    assert checkpoint.kinds_read(tmp_path / "model") == config.kinds
    head = checkpoint.load(tmp_path / "model", FOUND, "cpu")
    assert answer(tmp_path, head) == answer(tmp_path, tuned)
    assert head.random_encoders == ()


def test_only_what_was_trained_is_saved_and_an_earlier_one_is_replaced(tmp_path: Path) -> None:
    tuned, config = make(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").touch()
    checkpoint.save(tmp_path / "model", tuned, config, FOUND)
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        *("README.md", "config.json", "loss.csv", "projector.safetensors"),
    ]
    size = sum(p.numel() * 4 for p in tuned.model.projector.parameters())
    assert (tmp_path / "model" / "projector.safetensors").stat().st_size < size + 4096
    assert not list(tmp_path.glob(".tmp-*"))


def test_equal_runs_write_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        tuned, config = make(tmp_path)
        checkpoint.save(tmp_path / name, tuned, config, FOUND)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_random_encoders_are_said(tmp_path: Path) -> None:
    tuned, config = make(tmp_path)
    found = FOUND | {"temporal": FINGERPRINT | {"random": True}}
    checkpoint.save(tmp_path / "model", tuned, config, found)
    assert checkpoint.load(tmp_path / "model", found, "cpu").random_encoders == ("temporal",)
    assert "random weights" in (tmp_path / "model" / "README.md").read_text()


def test_caches_made_otherwise_are_refused(tmp_path: Path) -> None:
    tuned, config = make(tmp_path)
    checkpoint.save(tmp_path / "model", tuned, config, FOUND)
    found = FOUND | {"spatial": FINGERPRINT | {"model": "another"}}
    with pytest.raises(CheckpointError, match="other spatial tokens") as caught:
        checkpoint.load(tmp_path / "model", found, "cpu")
    assert "model 'synthetic' then, 'another' now" in str(caught.value)


def test_another_llm_is_refused(tmp_path: Path) -> None:
    tuned, config = make(tmp_path)
    checkpoint.save(tmp_path / "model", tuned, config, FOUND)
    tuned.model.llm.get_input_embeddings().weight.data.add_(1)  # type: ignore[operator]
    tuned.model.llm.save_pretrained(config.llm)  # type: ignore[operator]
    with pytest.raises(CheckpointError, match="tuned with LLM"):
        checkpoint.load(tmp_path / "model", FOUND, "cpu")


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="run stage tune"):
        checkpoint.load(tmp_path / "model", FOUND, "cpu")
    tuned, config = make(tmp_path)
    checkpoint.save(tmp_path / "model", tuned, config, FOUND)
    weights = tmp_path / "model" / "projector.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.load(tmp_path / "model", FOUND, "cpu")
    path = tmp_path / "model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 99}))
    with pytest.raises(CheckpointError, match="schema 99"):
        checkpoint.load(tmp_path / "model", FOUND, "cpu")
    path.write_text("{")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        checkpoint.load(tmp_path / "model", FOUND, "cpu")


def test_a_missing_adapter_is_named(tmp_path: Path) -> None:
    tuned, config = make(tmp_path, lora_rank=2)
    checkpoint.save(tmp_path / "model", tuned, config, FOUND)
    shutil.rmtree(tmp_path / "model" / "adapter")
    with pytest.raises(CheckpointError, match=r"model/adapter: cannot be read"):
        checkpoint.load(tmp_path / "model", FOUND, "cpu")


def test_the_loaded_model_is_ready_to_be_asked(tmp_path: Path) -> None:
    tuned, config = make(tmp_path)
    checkpoint.save(tmp_path / "model", tuned, config, FOUND)
    head = checkpoint.load(tmp_path / "model", FOUND, "cpu")
    assert not head.model.training
    assert head.model.head.device == torch.device("cpu")


def test_a_trained_llm_is_stored_with_the_head_and_needs_no_other(tmp_path: Path) -> None:
    tuned, config = make(tmp_path, train_llm=True)
    checkpoint.save(tmp_path / "model", tuned, config, FOUND)
    before = checkpoint.identity(tmp_path / "model")
    shutil.rmtree(tmp_path / "llm")
    head = checkpoint.load(tmp_path / "model", FOUND, "cpu")
    assert answer(tmp_path, head) == answer(tmp_path, tuned)
    assert head.llm_trained == "all"
    assert "a tuned copy of the LLM" in (tmp_path / "model" / "README.md").read_text()
    assert not list((tmp_path / "model").rglob("*.bin"))
    # a head with another LLM is another head, and a damaged LLM is noticed
    for name, parameter in tuned.model.llm.named_parameters():
        assert parameter.requires_grad, name
    tuned.model.llm.get_input_embeddings().weight.data.add_(1)  # type: ignore[operator]
    checkpoint.save(tmp_path / "other", tuned, config, FOUND)
    assert checkpoint.identity(tmp_path / "other") != before
    shutil.copytree(tmp_path / "other" / "llm", tmp_path / "model" / "llm", dirs_exist_ok=True)
    with pytest.raises(CheckpointError, match="tuned with LLM"):
        checkpoint.load(tmp_path / "model", FOUND, "cpu")


def forget(model: Path, *names: str) -> None:
    """Take settings out of a checkpoint that one of before did not have."""
    path = model / "config.json"
    written = json.loads(path.read_text())
    for name in names:
        del (written if name in written else written["settings"])[name]
    path.write_text(json.dumps(written))


def test_a_head_written_before_the_llm_could_be_trained_still_loads(tmp_path: Path) -> None:
    tuned, config = make(tmp_path)
    checkpoint.save(tmp_path / "model", tuned, config, FOUND)
    forget(tmp_path / "model", "train_llm", "quantize")
    assert checkpoint.load(tmp_path / "model", FOUND, "cpu").llm_trained == "none"


@pytest.mark.parametrize(
    ("asked", "lacks", "message"),
    [
        ({"projector": "vit"}, "taught", "another activation"),
        ({"time": "mean"}, "answer_weight", "before they were standardised"),
    ],
)
def test_a_head_whose_projector_has_changed_since_is_refused(
    tmp_path: Path, asked: dict[str, str], lacks: str, message: str
) -> None:
    tuned, config = make(tmp_path, **asked)
    checkpoint.save(tmp_path / "model", tuned, config, FOUND)
    checkpoint.load(tmp_path / "model", FOUND, "cpu")
    forget(tmp_path / "model", lacks)
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load(tmp_path / "model", FOUND, "cpu")


def test_a_head_of_before_is_not_asked_for_a_severity(tmp_path: Path) -> None:
    tuned, config = make(tmp_path)
    checkpoint.save(tmp_path / "model", tuned, config, FOUND)
    forget(tmp_path / "model", "taught")
    taught = checkpoint.load(tmp_path / "model", FOUND, "cpu").taught
    assert len(taught["motion"]) == 2 and not taught["severity"]
