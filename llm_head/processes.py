"""One tuning in several processes, a GPU each, as torchrun and `accelerate launch` start them.

They say by the environment which process this is.
"""

import os


def count() -> int:
    """Return how many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Return whether this process is the one that writes."""
    return os.environ.get("RANK", "0") == "0"
