"""The LLM: loaded from a folder or the hub, and told from others."""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, PreTrainedModel

_ROUNDING, _ROUNDING_OF_BITS = {"float32": 1e-3, "bfloat16": 0.05}, 0.1  # of hidden states
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
        HeadError: if there is none, it cannot be quantized here, it post-processes its logits, or
            it does not go by a mask and positions of one's own.
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
    _check(llm, name, _ROUNDING[dtype] if bits is None else _ROUNDING_OF_BITS)
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
    if not torch.cuda.is_available():  # bitsandbytes' kernels for CPUs have no gradients
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
def _check(llm: PreTrainedModel, name: str, rounding: float) -> None:
    """Raise HeadError unless the LLM does with four tokens what `LmmVqa` takes for granted.

    Args:
        rounding: by which hidden states may differ, 1: their largest number.
    """
    words: Any = llm.get_input_embeddings()
    head: nn.Module = llm.get_output_embeddings()  # type: ignore[no-untyped-call]
    device, dtype = words.weight.device, words.weight.dtype
    ids = torch.arange(1, 5, device=device).unsqueeze(0)
    # logits are computed at few places only, past the LLM's own forward; they must be the same
    ours = head(llm.base_model(ids, use_cache=False).last_hidden_state)
    if not torch.allclose(llm(ids, use_cache=False).logits, ours, atol=1e-2):
        raise HeadError(f"{name}: the LLM changes its logits after the last layer; not supported")
    # the fourth token is a branch beside the third; alone it must be the third
    alone = llm.base_model(ids[:, [0, 1, 3]], use_cache=False).last_hidden_state[:, 2]
    allowed = torch.ones(4, 4, dtype=torch.bool, device=device).tril()
    allowed[3, 2] = False
    mask = torch.zeros(1, 1, 4, 4, dtype=dtype, device=device)
    mask = mask.masked_fill(~allowed, torch.finfo(dtype).min)
    positions = torch.tensor([[0, 1, 2, 2]], device=device)
    try:
        branch = llm.base_model(
            inputs_embeds=words(ids), attention_mask=mask, position_ids=positions, use_cache=True
        )
        off = (branch.last_hidden_state[:, 3] - alone).abs().max() / alone.abs().max()
        branch.past_key_values.batch_repeat_interleave(2)
    except Exception as error:  # whatever such a model trips over
        off, reason = float("nan"), f" ({error!r})"
    else:
        reason = ""
    if not off < rounding:
        raise HeadError(
            f"{name}: the LLM does not go by an attention mask and positions of one's own, or has "
            f"no cache of keys and values, so questions cannot share a video{reason}; wanted one "
            "such as Llama, Qwen2, Mistral or Phi-3"
        )
