"""The LLM: loaded from a folder or the hub, and told from others."""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, PreTrainedModel

_LLM_FILES = (".safetensors", ".bin", ".gguf", ".jinja", "config.json", "tokenizer.json")


class HeadError(RuntimeError):
    """The LLM cannot be loaded, or cannot be used as a head."""


def load_llm(
    name: str, dtype: str, quantize: Literal["none", "8bit", "4bit"] = "none"
) -> tuple[Any, PreTrainedModel]:
    """Return tokenizer and frozen LLM from a folder or the hub.

    The attention is PyTorch's own (SDPA). FlashAttention 2 reads no mask of one's own, so it could
    not keep the branches of a sample apart, see `packing`.

    Args:
        dtype: float32 or bfloat16; of 8 and 4 bit, what is computed in.
        quantize: keep the linear layers' weights in so many bits, by bitsandbytes.

    Raises:
        HeadError: if there is none, it post-processes its logits, or it cannot be quantized here.
    """
    bits = _bits(quantize, dtype)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        llm = AutoModelForCausalLM.from_pretrained(
            name,
            dtype=getattr(torch, dtype),
            attn_implementation="sdpa",
            use_safetensors=True,  # never a pickle
            quantization_config=bits,
        )
    except (OSError, ValueError) as error:
        what = "" if Path(name).is_dir() else " (no such folder either; stage weights makes one)"
        raise HeadError(f"tune.llm {name!r}: cannot be loaded{what}: {error}") from error
    llm.requires_grad_(False)
    llm.train(False)
    _check_logits(llm, name)
    return tokenizer, llm


def llm_identity(name: str, llm: Any) -> dict[str, str]:
    """Return what tells an LLM from another: file hashes of a folder, the commit of a hub model."""
    folder = Path(name)
    if not folder.is_dir():
        return {"commit": str(getattr(llm.config, "_commit_hash", None))}
    identity = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name.endswith(_LLM_FILES):
            with path.open("rb") as file:
                identity[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return identity


def _bits(quantize: str, dtype: str) -> BitsAndBytesConfig | None:
    if quantize == "none":
        return None
    if not torch.cuda.is_available():
        raise HeadError(f"tune.quantize {quantize}: needs a CUDA GPU, found none; set it to none")
    if find_spec("bitsandbytes") is None:
        raise HeadError(
            f"tune.quantize {quantize}: needs the package bitsandbytes; install it, or set it to "
            "none"
        )
    if quantize == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)  # type: ignore[no-untyped-call]
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",  # QLoRA, arXiv:2305.14314
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, dtype),
    )


def on_device(device: str) -> str:
    """Return cpu or cuda, for auto, cpu or cuda.

    Raises:
        HeadError: if cuda is asked for by name and not there.
    """
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise HeadError("device cuda: PyTorch finds no GPU here; set it to cpu or auto")
    return "cuda" if there and device != "cpu" else "cpu"


@torch.no_grad()
def _check_logits(llm: PreTrainedModel, name: str) -> None:
    # logits are computed at few places only, past the LLM's own forward; they must be the same
    ids = torch.arange(1, 5).unsqueeze(0)
    head: nn.Module = llm.get_output_embeddings()  # type: ignore[no-untyped-call]
    ours = head(llm.base_model(ids, use_cache=False).last_hidden_state)
    if not torch.allclose(llm(ids, use_cache=False).logits, ours, atol=1e-2):
        raise HeadError(f"{name}: the LLM changes its logits after the last layer; not supported")
