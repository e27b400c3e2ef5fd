"""LoRA layers in the LLM, for those who do not want to keep it frozen.

PEFT takes seconds to load, so it is imported where there are such layers.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def add(llm: Any, rank: int) -> Any:
    """Return the LLM with trainable LoRA layers at every linear layer of its blocks.

    Source: LoRA, arXiv:2106.09685; its scale, alpha / rank, is 2.
    """
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    with _quiet():
        return get_peft_model(llm, lora)


def save(llm: Any, folder: Path) -> None:
    """Write the LoRA layers in PEFT's format, equal layers as equal bytes."""
    for config in llm.peft_config.values():
        config.target_modules = sorted(config.target_modules)  # a set, in another order each time
    llm.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)  # an empty template


def load(llm: Any, folder: Path) -> Any:
    """Return the LLM with the LoRA layers of `save`."""
    from peft import PeftModel

    with _quiet():
        return PeftModel.from_pretrained(llm, str(folder))


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():  # PEFT still asks transformers by an old name
        warnings.filterwarnings(
            "ignore", message=".*is_gradient_checkpointing", category=FutureWarning
        )
        yield
