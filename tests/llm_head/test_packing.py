import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from llm_head.packing import IGNORE, VISUAL, Segment, pack


def tree() -> list[Segment]:
    """Return a video of two places, two questions on it, and two answers to the second."""
    return [
        Segment((VISUAL, VISUAL), None),
        Segment((11, 12, 13), 0, (False, True, True), soft_at=2),
        Segment((21, 22), 0),
        Segment((31, 32), 2, (True, True)),
        Segment((41,), 2, (True,)),
    ]


def test_positions_restart_after_the_parent() -> None:
    packed = pack([tree()])
    assert packed.positions.tolist() == [[0, 1, 2, 3, 4, 2, 3, 4, 5, 4]]
    assert packed.visual.tolist() == [[True, True] + [False] * 8]
    assert packed.starts == [[0, 2, 5, 7, 9]]


def test_a_token_is_predicted_by_the_one_before_it_on_its_path() -> None:
    packed = pack([tree()])
    assert packed.source.tolist() == [[0, 0, 1, 2, 3, 1, 5, 6, 7, 6]]
    expected = [IGNORE] * 3 + [12, 13] + [IGNORE] * 2 + [31, 32, 41]
    assert packed.labels.tolist() == [expected]
    assert packed.soft_at[0].nonzero().flatten().tolist() == [4]


def test_a_token_sees_its_path_and_nothing_else() -> None:
    seen = pack([tree()]).allowed[0]
    assert seen[4].nonzero().flatten().tolist() == [0, 1, 2, 3, 4]
    assert seen[9].nonzero().flatten().tolist() == [0, 1, 5, 6, 9]
    assert seen[0].nonzero().flatten().tolist() == [0]


def test_padding_sees_itself_and_is_seen_by_none() -> None:
    packed = pack([tree(), tree()[:2]])
    assert packed.allowed[1, :5, 5:].sum() == 0
    torch.testing.assert_close(packed.allowed[1, 5:], torch.eye(10, dtype=torch.bool)[5:])
    assert packed.labels[1, 5:].tolist() == [IGNORE] * 5
    assert packed.ids[1, 5:].tolist() == [0] * 5


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_packed_branch_has_the_outputs_it_has_alone(attention: str) -> None:
    llm = make_llm(attention)
    packed = pack([tree(), tree()[:2]])
    embeds = llm.get_input_embeddings()(packed.ids)
    mask = torch.where(packed.allowed, 0.0, torch.finfo(torch.float32).min)[:, None]
    together = run(llm, embeds, mask, packed.positions)
    paths = [([0, 1], (0, 0)), ([0, 2, 3], (0, 3)), ([0, 2, 4], (0, 4)), ([0, 1], (1, 1))]
    for path, (row, last) in paths:
        ids = [max(i, 0) for index in path for i in tree()[index].ids]
        alone = llm(torch.tensor([ids])).logits[0]
        if row == 0 and last == 0:
            last = 1
        start = packed.starts[row][last]
        size = len(tree()[path[-1]].ids)
        torch.testing.assert_close(
            together[row, start : start + size], alone[-size:], atol=1e-4, rtol=0
        )


def make_llm(attention: str) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        attn_implementation=attention,
    )
    llm: LlamaForCausalLM = LlamaForCausalLM(config).eval()
    return llm


@torch.no_grad()
def run(llm: LlamaForCausalLM, embeds: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
    logits: Tensor = llm(inputs_embeds=embeds, attention_mask=mask, position_ids=positions).logits
    return logits
