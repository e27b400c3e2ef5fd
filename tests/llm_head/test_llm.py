from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    FalconConfig,
    GPT2Config,
    PreTrainedConfig,
    Qwen2Config,
)

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


@pytest.mark.parametrize(
    "config",
    [
        FalconConfig(  # ALiBi has positions of its own
            vocab_size=64, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, alibi=True
        ),
        GPT2Config(vocab_size=64, n_embd=16, n_layer=2, n_head=2, tie_word_embeddings=False),
        Qwen2Config(
            vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=1,
        ),
    ],
    ids=lambda config: config.model_type,
)  # fmt: skip
def test_only_an_llm_whose_questions_can_share_a_video_is_taken(
    tmp_path: Path, config: PreTrainedConfig
) -> None:
    folder = save_tiny_llm(tmp_path / "llm")
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    if config.model_type in ("gpt2", "qwen2"):
        _, llm = load_llm(str(folder), "float32")
        assert llm.config.model_type == config.model_type
    else:
        with pytest.raises(HeadError, match="questions cannot share a video"):
            load_llm(str(folder), "float32")
