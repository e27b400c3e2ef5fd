"""One tuning in several processes, a GPU each, as torchrun and `accelerate launch` start them.

They say by the environment which process this is.
"""

import logging
import os

import torch

_SHARDED = ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")


class ProcessesError(RuntimeError):
    """The processes were started in a way that tuning does not know."""


def begin() -> None:
    """Take this process's GPU, and let only the first process speak.

    Raises:
        ProcessesError: if accelerate is to cut the model into shards.
    """
    sharded = [name for name in _SHARDED if os.environ.get(name, "false").lower() == "true"]
    if sharded:
        raise ProcessesError(
            f"{sharded[0]} is set: tuning cuts an LLM into shards by itself; start it with "
            "profiles/accelerate/ddp.yaml, and set run.shard_llm in params.yaml"
        )
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if not is_first():
        logging.getLogger().setLevel(logging.ERROR)


def count() -> int:
    """Return how many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Return whether this process is the one that writes."""
    return os.environ.get("RANK", "0") == "0"
