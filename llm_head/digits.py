"""The number that the LLM would write, as a distribution: its digits weighed, not drawn.

A greedy number says only which digit is likeliest. Here the probabilities of all integer parts
from 0 to 100 are read from one forward pass, whether the tokenizer splits digits or not.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from llm_head import questions
from llm_head.packing import Segment
from llm_head.prompts import Chat

_REST = 0.45  # mean of the decimals .0 to .9, which the integer part leaves open


class DigitTree:
    """The integer parts 0 to 100 as paths of tokens, each ended by the point.

    Attributes:
        nodes: beginnings after which more than one token may follow; the first is empty.
    """

    def __init__(self, chat: Chat) -> None:
        """Take the paths from the tokenizer's own way of writing our score answers."""
        pieces, stem = chat.number_pieces(), len(chat.frames["score"].stem)
        self._paths = [
            _integer_part(chat.answer(questions.score_answer(float(number)))[stem:], pieces)
            for number in range(101)
        ]
        follows: dict[tuple[int, ...], set[int]] = {}
        for path in self._paths:
            for size, token in enumerate(path):
                follows.setdefault(path[:size], set()).add(token)
        self.nodes = [node for node, tokens in follows.items() if len(tokens) > 1]
        self.nodes.sort(key=lambda node: (len(node), node))
        self._follows = [sorted(follows[node]) for node in self.nodes]
        values = [number + _REST for number in range(100)] + [100.0]
        self._values = torch.tensor(values, dtype=torch.float64)

    def segments(self, stem: int) -> list[Segment]:
        """Return a segment for each node but the first; `stem` is the segment they continue."""
        return [Segment(node, stem) for node in self.nodes[1:]]

    def expectation(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of the number, each float64 (B,), on 0-100.

        Args:
            logits: (B, nodes, vocabulary), of what follows each node.
        """
        steps: dict[tuple[tuple[int, ...], int], Tensor] = {}
        for at, (node, tokens) in enumerate(zip(self.nodes, self._follows, strict=True)):
            found = logits[:, at, tokens].double().log_softmax(-1)
            steps.update({(node, token): found[:, i] for i, token in enumerate(tokens)})
        totals = [
            sum(
                (steps[key] for i, t in enumerate(path) if (key := (path[:i], t)) in steps),
                torch.zeros(len(logits), dtype=torch.float64, device=logits.device),
            )
            for path in self._paths
        ]
        probabilities = torch.stack(totals, dim=1).exp().cpu()
        mean = probabilities @ self._values
        variance = (probabilities * (self._values - mean[:, None]) ** 2).sum(1)
        return mean, variance.sqrt()


def _integer_part(ids: Sequence[int], pieces: dict[int, str]) -> tuple[int, ...]:
    """Return the tokens of a number up to and with the one that has its point."""
    for size, token in enumerate(ids, start=1):
        if "." in pieces.get(token, ""):
            return tuple(ids[:size])
    raise ValueError(f"no point in the tokens {list(ids)} of a score")
