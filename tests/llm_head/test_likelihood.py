from pathlib import Path

import pytest
import torch

from llm_head.ask import ask
from llm_head.checkpoint import Head
from llm_head.likelihood import likelihoods
from tests.llm_head.test_readout import SHAPE, conversation, make_model, make_video

QUESTION = "How does the camera move?"


@pytest.fixture
def head(tmp_path: Path) -> Head:
    model, chat = make_model(tmp_path)
    return Head(model, chat, SHAPE, 12.0, ())


def test_it_is_what_the_llm_says_of_the_whole_conversation(head: Head) -> None:
    video, chat = make_video(0), head.chat
    (found,) = likelihoods(head, video, QUESTION, ["It is poor."])
    ids = chat.answer("It is poor.")
    embeds = conversation(head.model, chat, video, chat.question(QUESTION) + ids)
    with torch.no_grad():
        logits = head.model.llm(inputs_embeds=embeds).logits[0]
    before = logits[-len(ids) - 1 : -1].log_softmax(-1)
    assert found == pytest.approx(float(before[range(len(ids)), ids].sum()), abs=1e-3)


def test_an_answer_s_likelihood_does_not_depend_on_what_it_is_compared_with(head: Head) -> None:
    video = make_video(1)
    told = ["It is good.", "It is good and smooth.", "No."]
    together = likelihoods(head, video, QUESTION, told)
    alone = [likelihoods(head, video, QUESTION, [text])[0] for text in told]
    assert together == pytest.approx(alone, abs=1e-4)
    assert likelihoods(head, video, QUESTION, told) == together  # and again, to the last bit


def test_what_the_llm_writes_is_more_likely_than_something_else(head: Head) -> None:
    video = make_video(2)
    written = ask(head, video, QUESTION, 6)
    ours, other = likelihoods(head, video, QUESTION, [written, "Seven blue horses sang there."])
    assert ours > other
