"""One way to show progress: a moving bar on a terminal, a line now and then in a log."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def bar(items: Iterable[T], total: int, what: str, unit: str) -> "tqdm[T]":
    """Return `items` behind a bar that shows count, rate and time left on stderr."""
    return tqdm(
        items,
        total=total,
        desc=what,
        unit=unit,
        mininterval=0.2 if sys.stderr.isatty() else 10.0,
        dynamic_ncols=sys.stderr.isatty(),
        smoothing=0.05,
    )
