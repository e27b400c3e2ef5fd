import pytest
import torch
from transformers import PreTrainedTokenizerFast

from llm_head import questions
from llm_head.digits import DigitTree
from llm_head.prompts import Chat
from tests import llama3
from tests.tiny_llm import make_tokenizer


def test_the_tree_holds_every_score_and_only_scores() -> None:
    chat = Chat(make_tokenizer())
    tree = DigitTree(chat)
    # the root, 1 to 9, and 10 (100 or 10.); after 0 only the point may follow
    assert [len(node) for node in tree.nodes] == [0] + [1] * 9 + [2]
    assert [segment.parent for segment in tree.segments(7)] == [7] * 10


def test_where_a_token_holds_all_digits_the_tree_is_one_choice() -> None:
    tree = DigitTree(Chat(llama3.make_tokenizer()))
    assert tree.nodes == [()] and tree.segments(7) == []
    mean, _ = tree.expectation(torch.zeros(1, 1, 3000))
    assert abs(float(mean) - (sum(range(101)) + 100 * 0.45) / 101) < 1e-9


@pytest.mark.parametrize("tokenizer", [make_tokenizer(), llama3.make_tokenizer()])
def test_a_sure_number_is_its_own_expectation(tokenizer: PreTrainedTokenizerFast) -> None:
    chat = Chat(tokenizer)
    tree = DigitTree(chat)
    stem = len(chat.frames["score"].stem)
    for number in (0, 7, 10, 76, 100):
        ids = chat.answer(questions.score_answer(float(number)))[stem:]
        logits = torch.zeros(1, len(tree.nodes), 3000)
        for at, node in enumerate(tree.nodes):
            if tuple(ids[: len(node)]) == node:
                logits[0, at, ids[len(node)]] = 100.0
        mean, std = tree.expectation(logits)
        assert abs(float(mean) - number) < 0.46
        assert float(std) < 1e-6


def test_indifferent_digits_give_the_mean_over_the_tree() -> None:
    """Counted by hand: first digits 0 to 9 alike, then ten digits or the point alike."""
    tree = DigitTree(Chat(make_tokenizer()))
    mean, std = tree.expectation(torch.zeros(2, len(tree.nodes), 2000))
    one = 1 / 10
    chances = {0: one}
    for tens in range(1, 10):
        chances[tens] = one / 11
        for units in range(10):
            chances[10 * tens + units] = one / 11
    chances[100] = chances[10] / 2
    chances[10] /= 2
    wanted = sum(p * (n + 0.45 if n < 100 else n) for n, p in chances.items())
    assert abs(sum(chances.values()) - 1) < 1e-12
    torch.testing.assert_close(mean, torch.tensor([wanted, wanted], dtype=torch.float64))
    assert (std > 20).all()
