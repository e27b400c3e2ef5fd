from pathlib import Path

import pytest
import torch
from torch import Tensor

from llm_head import instruct, lora
from llm_head.data import group, token_names, token_shape
from llm_head.levels import CENTRES
from llm_head.llm import load_llm
from llm_head.model import LmmVqa
from llm_head.packing import Segment, pack
from llm_head.projector import TokenShape
from llm_head.prompts import Chat
from llm_head.ranking import rank_loss
from llm_head.samples import Sample, Samples, collate
from tests.synthetic import make_caches, make_manifest
from tests.tiny_llm import save_tiny_llm


class Bench:
    """A head over the tiny LLM, and samples for it."""

    def __init__(self, folder: Path) -> None:
        tokenizer, llm = load_llm(str(save_tiny_llm(folder / "llm")), "float32")
        table = make_manifest(6)
        caches = make_caches(folder, table)
        self.chat = Chat(tokenizer)
        self.shape = token_shape(caches, "v0", "both", "ordered", 2)
        torch.manual_seed(0)
        self.model = LmmVqa(llm, self.shape, self.chat).eval()
        records = instruct.build(table, "d", ["level", "motion"], token_names(caches), seed=0)
        self.samples = Samples(group(records), {"d": caches}, self.chat, self.shape, 12, seed=0)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@torch.no_grad()
def loss_of(model: LmmVqa, samples: list[Sample]) -> Tensor:
    return model(**collate(samples))["loss"]


@torch.no_grad()
def test_a_packed_branch_has_the_logits_of_the_plain_conversation(bench: Bench) -> None:
    """Computed past all our code: the LLM's own forward on text, video, text, one after another."""
    sample = bench.samples[0]
    batch = collate([sample, bench.samples[1]])
    names = ("ids", "visual", "positions", "allowed", "spatial", "temporal", "seconds")
    hidden, _ = bench.model.hidden(**{name: batch[name] for name in names})
    embed = bench.model.llm.get_input_embeddings()
    names = ("spatial", "temporal", "seconds")
    video = bench.model.projector(*(batch[name][:1] for name in names))[0].flatten(1, 2)
    start = video.shape[1]
    for branch in sample.segments[1:]:
        text = torch.tensor([branch.ids])
        whole = torch.cat([embed(bench.model.head), video, embed(text)], dim=1)
        alone = bench.model.llm(inputs_embeds=whole).logits[0, -len(branch.ids) :]
        together = bench.model.logits(hidden[0, start : start + len(branch.ids)])
        torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)
        start += len(branch.ids)


SMOLLM2 = Path("data/weights/llm")


@pytest.mark.slow
@pytest.mark.skipif(not (SMOLLM2 / "config.json").is_file(), reason="stage weights has not run")
@torch.no_grad()
def test_a_packed_branch_has_the_logits_of_the_plain_conversation_in_a_real_llm() -> None:
    tokenizer, llm = load_llm(str(SMOLLM2), "float32")
    chat = Chat(tokenizer)
    ids = [chat.question("How good is it?"), chat.question("Is the picture frozen?")]
    packed = pack([[Segment(ids[0], None), Segment(ids[1], 0), Segment(ids[0], 0)]])
    shape = TokenShape("temporal", "ordered", 1, (0, 0), 4)
    model = LmmVqa(llm, shape, chat)
    unread = {"spatial": torch.zeros(1, 1, 0, 0), "temporal": torch.zeros(1, 1, 4)}
    hidden, _ = model.hidden(
        *(packed.ids, packed.visual, packed.positions, packed.allowed),
        **unread,
        seconds=torch.zeros(1, 1, dtype=torch.bool),
    )
    plain = torch.tensor([chat.head + ids[0] + ids[0]])
    alone = llm(plain).logits[0, -len(ids[0]) :]
    torch.testing.assert_close(model.logits(hidden[0, -len(ids[0]) :]), alone, atol=1e-4, rtol=0)


def test_padding_and_other_videos_do_not_change_the_loss(bench: Bench) -> None:
    short, long = bench.samples[0], bench.samples[1]
    tokens = short.tokens.part(0, 1)
    visual = Segment(short.segments[0].ids[: bench.shape.per_second], None)
    short = Sample([visual, short.segments[1]], tokens, short.words, short.mos)
    with torch.no_grad():
        alone = bench.model(**collate([short]))
        padded = bench.model(**collate([short, long]))
        other = bench.model(**collate([long]))
    torch.testing.assert_close(padded["score"][0], alone["score"][0])
    torch.testing.assert_close(padded["score"][1], other["score"][0])
    torch.testing.assert_close(padded["loss"], (alone["loss"] + other["loss"]) / 2)


def test_the_loss_is_on_answers_only(bench: Bench) -> None:
    batch = collate([bench.samples[0]])
    expected = loss_of(bench.model, [bench.samples[0]])
    learned = batch["labels"] >= 0
    assert 0 < learned.sum() < learned.numel() / 2
    changed = batch["labels"].clone()
    changed[~learned] = -100
    torch.testing.assert_close(bench.model(**batch | {"labels": changed})["loss"], expected)
    with torch.no_grad():
        wrong = torch.where(learned, batch["labels"] - 1, batch["labels"])
        assert bench.model(**batch | {"labels": wrong})["loss"] != expected


def test_the_level_word_is_learned_as_a_distribution(bench: Bench) -> None:
    sample = bench.samples[0]
    only = Sample(sample.segments[:2], sample.tokens, sample.words, sample.mos)
    batch = collate([only])
    with torch.no_grad():
        at_level = [
            float(bench.model(**batch | {"words": torch.eye(17)[[k]]})["loss"]) for k in range(5)
        ]
        mixed = float(bench.model(**batch)["loss"])
    assert mixed == pytest.approx(float(only.words[:5] @ at_level), rel=1e-5)


def test_the_score_is_the_expectation_over_level_words(bench: Bench) -> None:
    sample = bench.samples[0]
    with torch.no_grad():
        score = float(bench.model(**collate([sample]))["score"])
    assert CENTRES[0] < score < CENTRES[-1]
    no_level = Sample(sample.segments[:1] + sample.segments[2:], sample.tokens, sample.words, 50)
    with torch.no_grad():
        out = bench.model(**collate([no_level]))
    assert out["score"].isnan().all()
    assert out["loss"].isfinite()


def test_only_the_projector_is_trained(bench: Bench) -> None:
    bench.model.train()
    bench.model(**collate([bench.samples[0]]))["loss"].backward()
    trained = {name for name, p in bench.model.named_parameters() if p.grad is not None}
    assert trained == {f"projector.{name}" for name, _ in bench.model.projector.named_parameters()}
    assert not bench.model.llm.training


def test_a_frozen_llm_reads_the_text_before_the_video_once(bench: Bench) -> None:
    read: list[int] = []
    bench.model.llm.model.register_forward_hook(lambda *_: read.append(1))
    samples = [bench.samples[n] for n in range(3)]
    first = loss_of(bench.model, samples)
    assert len(read) == 2  # that text, and what follows
    torch.testing.assert_close(loss_of(bench.model, samples), first, rtol=0, atol=0)
    assert len(read) == 3
    bench.model.llm.requires_grad_(True)  # from here on it may change
    weight = next(bench.model.llm.model.layers.parameters())
    weight.data *= 1.5
    changed = loss_of(bench.model, samples)
    assert len(read) == 5
    bench.model.llm.requires_grad_(False)
    torch.testing.assert_close(loss_of(bench.model, samples), changed, rtol=0, atol=0)


def test_lora_layers_are_trained_too(bench: Bench) -> None:
    before = loss_of(bench.model, [bench.samples[0]])
    model = LmmVqa(lora.add(bench.model.llm, rank=2), bench.shape, bench.chat).train()
    model.projector.load_state_dict(bench.model.projector.state_dict())
    loss = model(**collate([bench.samples[0]]))["loss"]
    torch.testing.assert_close(loss, before)  # LoRA begins as no change
    loss.backward()
    trained = {name for name, p in model.named_parameters() if p.grad is not None}
    assert any("lora_B" in name for name in trained)
    assert all("lora_" in name or name.startswith("projector.") for name in trained)


@torch.no_grad()
def test_other_answers_join_by_their_weight(bench: Bench) -> None:
    batch = collate([bench.samples[index] for index in range(4)])
    losses = []
    for weight in (0.0, 1.0, 0.25):
        bench.model.answer_weight = weight
        losses.append(bench.model(**batch)["loss"])
    level_alone, whole, quarter = losses
    torch.testing.assert_close(quarter, level_alone + 0.25 * (whole - level_alone))
    assert level_alone < whole


def test_the_ranking_loss_joins_by_its_weight(bench: Bench) -> None:
    batch = collate([bench.samples[index] for index in range(4)])
    with torch.no_grad():
        without = bench.model(**batch)
        bench.model.rank_weight = 2.0
        ranked = bench.model(**batch)
        apart = bench.model(**batch | {"sets": torch.arange(4)})["loss"]
    expected = without["loss"] + 2 * rank_loss(without["score"], batch["mos"], batch["sets"])
    torch.testing.assert_close(ranked["loss"], expected)
    assert ranked["loss"] > without["loss"] == apart
    bench.model(**batch)["loss"].backward()  # and it reaches the projector
    assert bench.model.projector.norm.weight.grad is not None


@pytest.mark.parametrize("trained", ["none", "lora", "all"])
def test_recomputed_layers_give_the_same_gradients(bench: Bench, trained: str) -> None:
    llm = lora.add(bench.model.llm, rank=2) if trained == "lora" else bench.model.llm
    if trained == "all":
        llm.requires_grad_(True)
    model = LmmVqa(llm, bench.shape, bench.chat, align_weight=1.0, rank_weight=1.0).train()
    batch = collate([bench.samples[0], bench.samples[1], bench.samples[2]])

    def gradients() -> dict[str, Tensor]:
        model.zero_grad()
        model(**batch)["loss"].backward()
        return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    runs: list[int] = []
    layer = model._causal_lm().base_model.layers[0]
    layer.mlp.register_forward_pre_hook(lambda *_: runs.append(1))
    plain, once = gradients(), len(runs)
    model.recompute()
    model.train()
    recomputed, again = gradients(), len(runs) - once
    assert again == 2 and once == 2  # cached text and the rest; the whole, and once more for it
    assert plain.keys() == recomputed.keys()
    for name, gradient in plain.items():
        error = (recomputed[name] - gradient).norm() / (gradient.norm() + 1e-6)
        assert error < 1e-4, name  # rounding: the same sums in another order
    with torch.no_grad():
        model.eval()
        torch.testing.assert_close(model(**batch)["score"], model.train()(**batch)["score"])
