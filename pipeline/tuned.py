"""The tuned model, opened for one data set's caches."""

from typing import Literal

from llm_head import checkpoint
from llm_head.checkpoint import Head
from llm_head.data import Caches
from pipeline import layout
from pipeline.cache import TokenCache


def opened(dataset: str, device: Literal["auto", "cpu", "cuda"]) -> tuple[Head, Caches]:
    """Return the head of results/model/ and the caches of a data set that it reads, by kind.

    Raises:
        CheckpointError: if there is none, or it was tuned on other tokens than the caches'.
    """
    kinds = checkpoint.kinds_read(layout.MODEL)
    caches: Caches = {kind: TokenCache(layout.cache(dataset, kind)) for kind in kinds}
    prints = {kind: cache.fingerprint for kind, cache in caches.items()}
    return checkpoint.load(layout.MODEL, prints, device), caches
