"""Which of two videos is better, and by how much."""

import math
from dataclasses import dataclass

from scipy.special import expit, ndtr, ndtri

from llm_head.model import LmmVqa
from llm_head.packing import Segment, pack
from llm_head.prompts import Chat
from llm_head.questions import canonical
from llm_head.readout import Answer, repeatable, run
from llm_head.shown import VideoTokens, joined, pair_root

SPREAD = 17.0  # points between two MOS at which 84 of 100 viewers prefer the better video


@dataclass(frozen=True)
class Comparison:
    """Which of two videos is better.

    Attributes:
        difference: by how many points a is better than b.
        difference_std: standard deviation of that difference; None: they were seen together.
        a_better: probability that a is better.
        together: whether the head saw both at once, rather than each by itself.
    """

    difference: float
    difference_std: float | None
    a_better: float
    together: bool = False


def compare(a: Answer, b: Answer) -> Comparison:
    """Compare two videos by their scores.

    The scores are taken as independent and normal, each with its own deviation. This compares two
    absolute scores; nothing has been learned from pairs.

    Source: Thurstone's law of comparative judgment, case III (Psychological Review, 1927).
    """
    difference = a.score - b.score
    std = math.hypot(a.score_std, b.score_std)
    if std == 0:
        a_better = 0.5 + 0.5 * ((difference > 0) - (difference < 0))
    else:
        a_better = float(ndtr(difference / std))
    return Comparison(difference, std, a_better)


def preference(a: float, b: float) -> float:
    """Return how many viewers prefer the first of two videos, by their MOS: what pairs teach.

    Source: Thurstone's law of comparative judgment, case V (Psychological Review, 1927).

    >>> round(preference(67, 50), 2), preference(50, 50)
    (0.84, 0.5)
    """
    return float(ndtr((a - b) / SPREAD))


def compare_together(model: LmmVqa, chat: Chat, a: VideoTokens, b: VideoTokens) -> Comparison:
    """Compare two videos by showing both to a head that has learned from pairs.

    One forward pass holds both orders, and the mean of their log-odds decides, so what a head
    likes about a place cancels out. Swapping a and b mirrors the result to the last bit: the pass
    is always that of the same order, whichever is called a.

    Args:
        a, b: from `data.choose`.
    """
    keys = [(v.spatial.tobytes(), v.temporal.tobytes(), v.seconds, v.cue) for v in (a, b)]
    if keys[0] == keys[1]:
        return Comparison(0.0, None, 0.5, together=True)
    swapped = keys[0] > keys[1]
    odds = _log_odds(model, chat, *((b, a) if swapped else (a, b)))
    sure = float(expit(abs(odds)))  # at least a half, so that 1 - sure has no rounding
    points = min(100.0, SPREAD * float(ndtri(sure)))
    if (odds > 0) != swapped:
        return Comparison(points, None, sure, together=True)
    return Comparison(-points, None, 1 - sure, together=True)


def _log_odds(model: LmmVqa, chat: Chat, first: VideoTokens, second: VideoTokens) -> float:
    """Return the log-odds that the first is better, mean over both orders."""
    orders = (first, second), (second, first)
    shape = model.projector.shape
    asked = Segment(chat.question(canonical("compare")) + chat.frames["compare"].stem, 0)
    packed = pack([[pair_root(chat, shape, *order), asked] for order in orders])
    with repeatable(model):
        hidden, _ = run(model, packed, [joined(*order) for order in orders])
        # both orders are of one length, so both end at the last place
        words = model.logits(hidden[:, -1])[:, model.order_words].double()
    ahead = words[:, 0] - words[:, 1]
    return float(ahead[0] - ahead[1]) / 2


def words(found: Comparison, a: str, b: str) -> str:
    """Return a comparison as a sentence.

    >>> words(Comparison(-12.0, 5.0, 0.01), "A", "B")
    'B is better than A by 12.0 ± 5.0 points (probability 99%, from their two scores)'
    >>> words(Comparison(17.0, None, 0.84, together=True), "A", "B")
    'A is better than B by 17.0 points (probability 84%, seen together)'
    """
    better, worse = (a, b) if found.difference >= 0 else (b, a)
    sure = max(found.a_better, 1 - found.a_better)
    source = "seen together" if found.together else "from their two scores"
    std = "" if found.difference_std is None else f" ± {found.difference_std:.1f}"
    return (
        f"{better} is better than {worse} by {abs(found.difference):.1f}{std} points "
        f"(probability {sure:.0%}, {source})"
    )
