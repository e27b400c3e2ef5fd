from pathlib import Path

import pytest
import torch
from torch import Tensor

from llm_head.llm import HeadError, load_llm, on_device
from tests.tiny_llm import save_tiny_llm


def test_a_missing_llm_is_named(tmp_path: Path) -> None:
    with pytest.raises(HeadError, match=r"tune\.llm .*nowhere"):
        load_llm(str(tmp_path / "nowhere"), "float32")


def test_an_llm_that_changes_its_logits_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(save_tiny_llm(tmp_path / "llm"))
    forward = torch.nn.Linear.forward
    calls = []

    def capped(layer: torch.nn.Linear, x: Tensor) -> Tensor:
        out = forward(layer, x)
        if out.shape[-1] > 300:  # the output layer
            calls.append(1)
            return out if len(calls) == 1 else torch.tanh(out) * 0.1
        return out

    monkeypatch.setattr(torch.nn.Linear, "forward", capped)
    with pytest.raises(HeadError, match="not supported"):
        load_llm(folder, "float32")


def test_quantized_loading_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(save_tiny_llm(tmp_path / "llm"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(HeadError, match="4bit: needs a CUDA GPU"):
        load_llm(folder, "float32", "4bit")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("llm_head.llm.find_spec", lambda name: None)
    with pytest.raises(HeadError, match="install it, or set it to none"):
        load_llm(folder, "float32", "8bit")


def test_a_gpu_that_is_asked_for_by_name_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert on_device("auto") == on_device("cpu") == "cpu"
    with pytest.raises(HeadError, match="device cuda: PyTorch finds no GPU here"):
        on_device("cuda")
