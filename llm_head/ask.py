"""Free questions about a video, answered in the LLM's own words."""

import torch

from llm_head.checkpoint import Head
from llm_head.instruct import VIDEO
from llm_head.packing import Segment, pack
from llm_head.readout import repeatable, run
from llm_head.shown import VideoTokens, root

MOST_TOKENS = 64


class AskError(ValueError):
    """A question that cannot be asked."""


def ask(head: Head, video: VideoTokens, question: str, most_tokens: int = MOST_TOKENS) -> str:
    """Return the likeliest answer, token by token (greedy), so that it is always the same.

    The question stands where those of tuning stand. A head that was tuned on this project's four
    questions knows no others: what it says to them has not been tested.

    Args:
        video: tokens from `data.choose`.
        most_tokens: after which the answer is cut off.

    Raises:
        AskError: if the question is empty or holds the mark of the video.
    """
    if not question.strip() or VIDEO in question:
        raise AskError(f"wanted a question in plain words, without {VIDEO}; found {question!r}")
    model, chat = head.model, head.chat
    asked = Segment(chat.question(question.strip()), parent=0)
    packed = pack([[root(chat, head.shape, video), asked]])
    device, written = model.head.device, list[int]()
    with repeatable(model):
        hidden, cache = run(model, packed, [video])
        size, position = model.head.shape[1] + packed.ids.shape[1], packed.ids.shape[1]
        while len(written) < most_tokens:
            best = int(model.logits(hidden[:, -1]).argmax())
            if best in chat.stops:
                break
            written.append(best)
            size, position = size + 1, position + 1
            hidden = model.decode(
                model.embed(torch.tensor([[best]], device=device)),
                torch.tensor([[position - 1]], device=device),
                torch.ones(1, 1, size, dtype=torch.bool, device=device),
                cache,
            )
    return chat.text(written)
