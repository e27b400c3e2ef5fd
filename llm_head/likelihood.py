"""How likely an LLM finds pieces of text after a video."""

from collections.abc import Sequence

from llm_head.checkpoint import Head
from llm_head.packing import Segment, pack
from llm_head.readout import repeatable, run, totals
from llm_head.shown import VideoTokens, root


def likelihoods(
    head: Head, video: VideoTokens, question: str, answers: Sequence[str]
) -> tuple[float, ...]:
    """Return the log-probability of each of some answers to a question, in one forward pass.

    An answer counts from its first token to the end of its turn, so that none is favoured for
    being the beginning of another. Like `readout`, on one thread and each video by itself.

    Args:
        video: tokens from `data.choose`.
        answers: one or more.
    """
    model, chat = head.model, head.chat
    branches = [chat.answer(answer) for answer in answers]
    segments = [
        root(chat, head.shape, video),
        Segment(chat.question(question), parent=0),
        *(Segment(ids, parent=1, learned=(True,) * len(ids)) for ids in branches),
    ]
    packed = pack([segments])
    with repeatable(model):
        hidden, _ = run(model, packed, [video])
        return tuple(totals(model, packed, hidden)[0, 2:].tolist())
