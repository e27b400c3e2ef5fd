from pathlib import Path

import numpy as np
import pytest
import torch

from llm_head import instruct
from llm_head.align import align
from llm_head.alignment import Alignment
from llm_head.data import group, token_names, token_shape
from llm_head.llm import load_llm
from llm_head.model import LmmVqa
from llm_head.prompts import Chat
from llm_head.questions import WORDS
from llm_head.samples import Samples
from tests.synthetic import make_caches, make_manifest
from tests.tiny_llm import make_tokenizer, save_tiny_llm

COUNT = sum(len(words) for words in WORDS.values())


def make_alignment() -> tuple[Alignment, Chat]:
    chat = Chat(make_tokenizer())
    torch.manual_seed(0)
    return Alignment(chat, torch.randn(len(make_tokenizer()), 24)), chat


def test_tokens_that_are_the_true_words_have_the_least_loss() -> None:
    alignment, _ = make_alignment()
    words = torch.zeros(1, COUNT)
    words[0, 3] = 1  # the level good, and nothing else is known
    seconds = torch.ones(1, 1, dtype=torch.bool)
    losses = [
        float(alignment(word.expand(1, 1, 2, -1), seconds, words)) for word in alignment.embeddings
    ]
    assert min(losses) == losses[3]
    assert losses[3] < sorted(losses)[1] - 0.5


def test_padding_and_videos_of_unknown_truth_count_for_nothing() -> None:
    alignment, _ = make_alignment()
    words = torch.zeros(2, COUNT)
    words[0, [1, 5, 12]] = 1
    projected = torch.randn(2, 3, 2, 24)
    seconds = torch.tensor([[True, False, False], [True, True, True]])
    both = alignment(projected, seconds, words)
    alone = alignment(projected[:1, :1], seconds[:1, :1], words[:1])
    torch.testing.assert_close(both, alone)
    assert float(alignment(projected, seconds, torch.zeros(2, COUNT))) == 0


def test_each_word_is_one_direction_of_its_task() -> None:
    alignment, chat = make_alignment()
    assert alignment.embeddings.shape == alignment.directions.shape == (COUNT, 24)
    assert [len(chat.frames[task].middles) for task in WORDS] == [5, 7, 3, 2]
    lengths = alignment.directions.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(COUNT))


def make_model(folder: Path) -> tuple[LmmVqa, Samples]:
    tokenizer, llm = load_llm(str(save_tiny_llm(folder / "llm")), "float32")
    table = make_manifest(24)
    caches = make_caches(folder, table)
    chat = Chat(tokenizer)
    records = instruct.build(table, "d", ["level", "motion"], token_names(caches), seed=0)
    shape = token_shape(caches, "v0", "both", "ordered", 2)
    torch.manual_seed(0)
    model = LmmVqa(llm, shape, chat)
    return model, Samples(group(records), {"d": caches}, chat, shape, 12, seed=0, parts=True)


def test_align_trains_the_projector_only_and_repeats(tmp_path: Path) -> None:
    (model, samples), (other, same) = make_model(tmp_path), make_model(tmp_path)
    llm = [p.clone() for p in model.llm.parameters()]
    before = whole_loss(model, samples)
    align(model, samples, steps=60, seed=0)
    assert whole_loss(model, samples) < 0.8 * before
    assert all(torch.equal(p, q) for p, q in zip(model.llm.parameters(), llm, strict=True))
    align(other, same, steps=60, seed=0)
    for one, two in zip(model.projector.parameters(), other.projector.parameters(), strict=True):
        assert torch.equal(one, two)


@torch.no_grad()
def whole_loss(model: LmmVqa, samples: Samples) -> float:
    total = 0.0
    for index in range(len(samples)):
        (spatial, temporal, *_), words = samples.shown(index, 0)
        projected = model.projector(
            torch.from_numpy(spatial)[None],
            torch.from_numpy(temporal)[None],
            torch.ones(1, len(spatial), dtype=torch.bool),
        )
        total += float(model.alignment(*projected, words[None]))
    return total


def test_the_alignment_loss_is_part_of_tuning_by_its_weight(tmp_path: Path) -> None:
    from llm_head.samples import collate

    model, samples = make_model(tmp_path)
    model.eval()
    batch = collate([samples[0], samples[1]])
    with torch.no_grad():
        plain = float(model(**batch)["loss"])
        projected = model.projector(batch["spatial"], batch["temporal"], batch["seconds"])
        extra = float(model.alignment(*projected, batch["words"]))
        model._align_weight = 0.5
        assert float(model(**batch)["loss"]) == pytest.approx(plain + 0.5 * extra, rel=1e-5)


def test_videos_of_which_nothing_is_known_are_not_aligned(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, samples = make_model(tmp_path)
    samples._words[1:] = [np.zeros_like(words) for words in samples._words[1:]]
    assert samples.known == [0]
    align(model, samples, 2, seed=0)
    samples._words[0] = np.zeros_like(samples._words[0])
    before = {name: value.clone() for name, value in model.projector.state_dict().items()}
    align(model, samples, 2, seed=0)
    assert "no alignment" in caplog.text
    assert all(torch.equal(before[n], v) for n, v in model.projector.state_dict().items())


def test_a_step_in_which_no_mixture_is_known_changes_nothing(tmp_path: Path) -> None:
    model, samples = make_model(tmp_path)
    half = [np.zeros_like(words) for words in samples._words]
    for index, words in enumerate(samples._words):  # of one half the level, of the other the rest
        part = slice(0, 5) if index % 2 else slice(5, None)
        half[index][part] = words[part]
    samples._words = half[:2]
    samples.videos = samples.videos[:2]
    align(model, samples, 4, seed=0)


@pytest.mark.parametrize("steps", range(1, 13))
def test_any_number_of_steps_can_be_asked_for(tmp_path: Path, steps: int) -> None:
    model, samples = make_model(tmp_path)
    align(model, samples, steps, seed=0)
