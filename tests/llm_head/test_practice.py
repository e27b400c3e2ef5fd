from pathlib import Path

import pytest
import torch

from llm_head import lora
from llm_head.align import align, practise
from llm_head.model import LmmVqa
from llm_head.practice import Mixture, mixed, mixed_words, moved_tokens
from llm_head.samples import collate
from tests.llm_head.test_alignment import make_alignment, make_model


def test_a_mixture_repeats_the_seconds_of_a_shorter_video() -> None:
    features = torch.tensor([[[1.0], [2.0], [3.0]], [[10.0], [20.0], [99.0]]])
    seconds = torch.tensor([[True, True, True], [True, True, False]])
    found = mixed(features, seconds, Mixture(torch.tensor([1, 0]), torch.tensor([0.5, 1.2])))
    assert found[0, :, 0].tolist() == [5.5, 11.0, 6.5]
    assert found[1, :2, 0].tolist() == pytest.approx([1.2 * 10 - 0.2, 1.2 * 20 - 0.4])


def test_what_is_unknown_of_one_video_is_unknown_of_the_mixture() -> None:
    words = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    drawn = Mixture(torch.tensor([1, 0]), torch.tensor([0.75, 0.75]))
    found = mixed_words(words, drawn, [slice(0, 2), slice(2, 4)])
    assert found.tolist() == [[0.75, 0.25, 0, 0], [0.25, 0.75, 0, 0]]


def test_moved_tokens_keep_their_length_and_are_tokens_that_are_there() -> None:
    alignment, _ = make_alignment()
    projected = torch.randn(6, 2, 3, 24)
    projected[3, 1] = float("nan")  # padding must not come into the others
    seconds = torch.ones(6, 2, dtype=torch.bool)
    seconds[3, 1] = False
    found = moved_tokens(projected, seconds, alignment)
    assert found[seconds].isfinite().all()
    before, after = projected[seconds].norm(dim=-1), found[seconds].norm(dim=-1)
    assert all(torch.isclose(before, one, atol=1e-4).any() for one in after.flatten())
    shown = [alignment.shown(tokens, seconds)[:3] for tokens in (projected, found)]
    assert (shown[0] - shown[1]).abs().max() > 0.01


def test_who_practises_says_what_is_shown_and_the_projector_stays(tmp_path: Path) -> None:
    plain, samples = make_model(tmp_path)
    torch.manual_seed(0)
    model = LmmVqa(lora.add(plain.llm, 4), plain.projector.shape, samples.chat)
    model.projector.load_state_dict(plain.projector.state_dict())
    align(model, samples, steps=30, seed=0)
    model.projector.requires_grad_(False)
    kept = {name: value.clone() for name, value in model.projector.state_dict().items()}
    samples.practice = 1.0
    batch = collate([samples[index] for index in range(8)])
    assert batch["practice"].all()
    assert not batch["words"].any()  # no label is read
    samples.practice = 0.25

    def losses() -> float:
        torch.manual_seed(1)
        model.train()
        with torch.no_grad():
            return float(model(**batch)["loss"])

    before = losses()
    practise(model, samples, steps=40, seed=0)
    assert losses() < before - 0.2
    assert samples.practice == 0.25
    for name, value in model.projector.state_dict().items():
        torch.testing.assert_close(value, kept[name])
