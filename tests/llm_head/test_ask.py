from pathlib import Path

import pytest
import torch

from llm_head.ask import AskError, ask
from llm_head.checkpoint import Head
from tests.llm_head.test_readout import SHAPE, conversation, make_model, make_video


def test_the_answer_is_that_of_greedy_generation(tmp_path: Path) -> None:
    model, chat = make_model(tmp_path)
    head = Head(model, chat, SHAPE, 12.0, ())
    for seed in range(3):
        video = make_video(seed)
        asked = chat.question("What is wrong here?")
        embeds = conversation(model, chat, video, asked)
        with torch.no_grad():
            written = model.llm.generate(
                inputs_embeds=embeds,
                attention_mask=torch.ones(embeds.shape[:2]),
                max_new_tokens=12,
                do_sample=False,
                pad_token_id=0,
                eos_token_id=sorted(chat.stops),
            )
        expected = chat.text([i for i in written[0].tolist() if i not in chat.stops])
        assert ask(head, video, "What is wrong here? ", most_tokens=12) == expected
        assert expected


def test_an_answer_ends_where_its_turn_ends(tmp_path: Path) -> None:
    model, chat = make_model(tmp_path)
    head = Head(model, chat, SHAPE, 12.0, ())
    (stop,) = chat.stops
    model.llm.get_input_embeddings().weight.data[stop] *= 100  # tied: the likeliest or the last
    found = {ask(head, make_video(seed), "Why?", most_tokens=8) for seed in range(8)}
    assert "" in found


@pytest.mark.parametrize("question", ["", "  ", "what about <video> here?"])
def test_what_is_no_question_is_refused(tmp_path: Path, question: str) -> None:
    model, chat = make_model(tmp_path)
    with pytest.raises(AskError, match="in plain words"):
        ask(Head(model, chat, SHAPE, 12.0, ()), make_video(0), question)
