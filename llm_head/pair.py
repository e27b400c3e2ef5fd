"""Which of two videos is better, and by how much."""

import math
from dataclasses import dataclass

from scipy.special import ndtr

from llm_head.readout import Answer


@dataclass(frozen=True)
class Comparison:
    """What two videos' answers say of each other.

    Attributes:
        difference: score of a minus score of b, in points.
        difference_std: standard deviation of that difference.
        a_better: probability that a is better.
    """

    difference: float
    difference_std: float
    a_better: float


def compare(a: Answer, b: Answer) -> Comparison:
    """Compare two videos by their scores.

    The scores are taken as independent and normal, each with its own deviation. This compares two
    absolute scores; nothing has been learned from pairs. What is learned from pairs would have
    another body and the same result type.

    Source: Thurstone's law of comparative judgment, case III (Psychological Review, 1927).
    """
    difference = a.score - b.score
    std = math.hypot(a.score_std, b.score_std)
    if std == 0:
        a_better = 0.5 + 0.5 * ((difference > 0) - (difference < 0))
    else:
        a_better = float(ndtr(difference / std))
    return Comparison(difference, std, a_better)


def words(found: Comparison, a: str, b: str) -> str:
    """Return a comparison as a sentence.

    >>> words(Comparison(-12.0, 5.0, 0.01), "A", "B")
    'B is better than A by 12.0 ± 5.0 points (probability 99%, from their two scores)'
    """
    better, worse = (a, b) if found.difference >= 0 else (b, a)
    sure = max(found.a_better, 1 - found.a_better)
    return (
        f"{better} is better than {worse} by {abs(found.difference):.1f} ± "
        f"{found.difference_std:.1f} points (probability {sure:.0%}, from their two scores)"
    )
