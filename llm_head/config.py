"""What tuning depends on, beside records and caches."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from llm_head.data import KINDS
from pipeline.cache import Kind


@dataclass(frozen=True)
class TuneConfig:
    """What tuning depends on, beside records and caches; stored with the model.

    The fields are those of params.yaml's section tune, described there, and seed.
    """

    llm: str
    dtype: Literal["float32", "bfloat16"]
    quantize: Literal["none", "8bit", "4bit"]
    lora_rank: int
    train_llm: bool
    gradient_checkpointing: bool
    tokens: Literal["both", "spatial", "temporal"]
    time: Literal["ordered", "mean"]
    seconds: int
    projector: Literal["mlp", "vit", "resampler"]
    queries: int
    markers: bool
    cue: Literal["none", "text"]
    epochs: float
    batch_size: int
    accumulate: int
    learning_rate: float
    weight_decay: float
    warmup_ratio: float
    dropout: float
    level_std: float
    align_steps: int
    align_weight: float
    practice_steps: int
    level_spread: Literal["fixed", "raters"]
    rank_weight: float
    rank_only: tuple[str, ...]
    answer_weight: float
    pairs: float
    weights: Mapping[str, float]
    seed: int

    @property
    def llm_trained(self) -> str:
        """Return what of the LLM is trained: none, lora or all."""
        return "all" if self.train_llm else "lora" if self.lora_rank else "none"

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Return the kinds of tokens that are read."""
        return KINDS if self.tokens == "both" else (self.tokens,)
