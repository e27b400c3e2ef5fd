"""Samples of like lengths in one step, since a batch is as long as its longest sample."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torch.utils.data import Sampler

from llm_head.pairs import WithPairs

STEPS = 32  # so many are sorted together; more save little, and leave less to chance


def by_length(order: Sequence[int], lengths: Sequence[int], per_step: int) -> list[int]:
    """Return an order in which the samples of a step, and in it of a batch, are of like lengths.

    Of every `STEPS` steps the samples are sorted by length and dealt to steps again; these come in
    the order in which the first sample of each stood, so they are as mixed as before. Where all are
    equally long nothing changes. The samples that do not fill the last step stay the last: the
    shortest ones of every epoch would else be there, and in a small step each counts for more.

    Args:
        order: of samples, each once.
        lengths: of each sample, by its number.
        per_step: samples that a step of training has, over all batches and processes.

    >>> by_length([0, 1, 2, 3, 4], lengths=[8, 60, 9, 60, 8], per_step=2)
    [0, 2, 1, 3, 4]
    """
    stood = {sample: at for at, sample in enumerate(order)}
    whole = len(order) // per_step * per_step
    found: list[int] = []
    for start in range(0, whole, STEPS * per_step):
        run = sorted(order[start : min(start + STEPS * per_step, whole)], key=lengths.__getitem__)
        steps = [run[at : at + per_step] for at in range(0, len(run), per_step)]
        for step in sorted(steps, key=lambda step: min(stood[sample] for sample in step)):
            found += step
    return found + sorted(order[whole:], key=lengths.__getitem__)


class ByLength(Sampler[int]):
    """Another sampler's order, changed by the lengths that samples have in this epoch."""

    def __init__(self, order: Iterable[int], samples: WithPairs, per_step: int) -> None:
        """See `by_length`.

        Args:
            order: a sampler of all samples; where it depends on the epoch it has `set_epoch`.
        """
        self._order: Any = order
        self._samples, self._per_step = samples, per_step

    def set_epoch(self, epoch: int) -> None:
        """Tell the other sampler; the data loader calls it."""
        if hasattr(self._order, "set_epoch"):
            self._order.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[int]:
        lengths = [self._samples.length(place) for place in range(len(self))]
        yield from by_length(list(self._order), lengths, self._per_step)
