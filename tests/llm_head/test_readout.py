from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LogitsProcessor, LogitsProcessorList

from llm_head import questions
from llm_head.levels import level_of, mos_of
from llm_head.llm import load_llm
from llm_head.model import LmmVqa
from llm_head.projector import TokenShape
from llm_head.prompts import Chat
from llm_head.readout import ReadOut
from llm_head.shown import VideoTokens, pad
from tests.llama3 import save_llama3
from tests.tiny_llm import save_tiny_llm

SHAPE = TokenShape("both", "ordered", 2, (3, 5), 4)
SPOKEN = replace(SHAPE, markers=True, cue="text")


def make_model(
    folder: Path,
    seed: int = 0,
    save: Callable[[Path], Path] = save_tiny_llm,
    shape: TokenShape | None = None,
) -> tuple[LmmVqa, Chat]:
    tokenizer, llm = load_llm(str(save(folder / "llm")), "float32")
    chat = Chat(tokenizer)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in llm.parameters():  # a fresh LLM is almost uniform: nothing to test
            parameter.add_(0.3 * torch.randn_like(parameter))
    return LmmVqa(llm, shape or SHAPE, chat), chat


def make_video(seed: int, seconds: int = 2) -> VideoTokens:
    rng = np.random.default_rng(seed)
    spatial, temporal = rng.normal(size=(seconds, 3, 5)), rng.normal(size=(seconds, 4))
    both = spatial.astype(np.float32), temporal.astype(np.float32)
    return VideoTokens(*both, tuple(range(seconds)), f"{seed} frames a second.")


def test_answers_are_consistent_and_repeat(tmp_path: Path) -> None:
    readout = ReadOut(*make_model(tmp_path), level_std=12)
    (answer,) = readout.answers([make_video(1)])
    mean = np.dot(answer.level_probs, [10, 30, 50, 70, 90])
    assert answer.score == pytest.approx(mos_of(mean, 12))
    assert answer.level == level_of(answer.score)
    assert sum(answer.level_probs) == pytest.approx(1)
    assert answer.impairment in questions.IMPAIRMENTS
    assert 1 / 7 <= answer.impairment_prob <= 1
    assert answer.severity in questions.SEVERITIES
    assert 1 / 3 <= answer.severity_prob <= 1
    assert answer.motion in questions.MOTIONS
    assert readout.answers([make_video(1)]) == [answer]


def test_only_what_was_taught_is_asked(tmp_path: Path) -> None:
    model, chat = make_model(tmp_path)
    (whole,) = ReadOut(model, chat, 12).answers([make_video(1)])
    taught = {"level": (), "impairment": ("blur", "noise"), "motion": ("smooth",)}
    (answer,) = ReadOut(model, chat, 12, taught).answers([make_video(1)])
    assert answer.score == pytest.approx(whole.score, abs=1e-3)
    assert answer.impairment in ("blur", "noise")
    assert answer.motion is answer.motion_prob is None  # one answer alone says nothing
    assert answer.score_generated is answer.score_digits is answer.score_digits_std is None
    (numbers,) = ReadOut(model, chat, 12, {"level": (), "score": ()}).answers([make_video(1)])
    assert numbers.score_digits == pytest.approx(whole.score_digits, abs=1e-3)
    assert numbers.impairment is numbers.severity is numbers.motion is None


def test_what_is_not_impaired_has_no_severity(tmp_path: Path) -> None:
    model, chat = make_model(tmp_path)
    taught = {"impairment": ("none", "blur"), "severity": ("slight", "strong")}
    answers = ReadOut(model, chat, 12, taught).answers([make_video(seed) for seed in range(12)])
    assert {answer.impairment for answer in answers} == {"none", "blur"}
    for answer in answers:
        assert (answer.severity is None) is (answer.impairment == "none")
        assert (answer.severity_prob is None) is (answer.impairment == "none")


@pytest.mark.parametrize("shape", [SHAPE, SPOKEN])
def test_answers_do_not_depend_on_batch_position_or_threads(
    tmp_path: Path, shape: TokenShape
) -> None:
    readout = ReadOut(*make_model(tmp_path, shape=shape), level_std=12)
    videos = [make_video(i, seconds=1 + i % 2) for i in range(16)]
    together = readout.answers(videos)
    (alone,) = readout.answers(videos[3:4])
    for position in (0, 7, 15):
        others = [video for video in videos if video is not videos[3]]
        others.insert(position, videos[3])
        assert readout.answers(others)[position] == alone == together[3]  # every bit
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert readout.answers(videos) == together
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_levels_of_a_batch_are_those_of_the_answers(tmp_path: Path) -> None:
    readout = ReadOut(*make_model(tmp_path), level_std=12)
    videos = [make_video(1), make_video(2, seconds=1), make_video(3)]
    levels = readout.levels(videos)
    assert levels == readout.levels(videos)
    for (score, std), answer in zip(levels, readout.answers(videos), strict=True):
        assert score == pytest.approx(answer.score, abs=1e-3)
        assert std == pytest.approx(answer.score_std, abs=1e-3)


def test_a_cue_is_told_only_to_a_head_that_was_tuned_with_it(tmp_path: Path) -> None:
    for shape in (SHAPE, SPOKEN):
        readout = ReadOut(*make_model(tmp_path, shape=shape), level_std=12)
        videos = [make_video(1)._replace(cue=cue) for cue in ("24 frames.", "60 frames.", "")]
        scores = {answer.score for answer in readout.answers(videos)}
        assert len(scores) == (3 if shape is SPOKEN else 1)


@pytest.mark.parametrize("save", [save_tiny_llm, save_llama3])
@pytest.mark.parametrize("seed", range(6))
def test_the_generated_score_always_parses(
    tmp_path: Path, seed: int, save: Callable[[Path], Path]
) -> None:
    readout = ReadOut(*make_model(tmp_path, seed, save), level_std=12)
    for answer in readout.answers([make_video(i) for i in range(4)]):
        assert 0 <= answer.score_generated <= 100
        text = questions.score_answer(answer.score_generated)
        assert questions.parse_score(text) == answer.score_generated


def conversation(
    model: LmmVqa, chat: Chat, video: VideoTokens, ids: tuple[int, ...]
) -> torch.Tensor:
    """Return the embeddings of one plain conversation, (1, N, L)."""
    projected, _ = model.projector(**pad([video]))
    (visual,) = projected
    shape, parts = model.projector.shape, [model.embed(model.head)[0]]
    for second, tokens in enumerate(visual):
        if shape.markers:
            parts.append(model.embed(torch.tensor(chat.encode(f"\n{second} s:"))))
        parts.append(tokens)
    if shape.cue == "text":
        parts.append(model.embed(torch.tensor(chat.encode(f"\n{video.cue}"))))
    return torch.cat([*parts, model.embed(torch.tensor(ids))])[None]


@torch.no_grad()
@pytest.mark.parametrize("shape", [SHAPE, SPOKEN])
def test_levels_and_choices_are_those_of_plain_conversations(
    tmp_path: Path, shape: TokenShape
) -> None:
    model, chat = make_model(tmp_path, shape=shape)
    (answer,) = ReadOut(model, chat, level_std=12).answers([make_video(1)])
    asked = chat.question(questions.canonical("level")) + chat.frames["level"].stem
    logits = model.llm(inputs_embeds=conversation(model, chat, make_video(1), asked)).logits[0, -1]
    expected = logits[list(chat.level_words)].softmax(0).tolist()
    assert answer.level_probs == pytest.approx(expected, abs=1e-5)

    frame = chat.frames["motion"]
    question = chat.question(questions.canonical("motion")) + frame.stem
    totals = []
    for ids in frame.middles:
        embeds = conversation(model, chat, make_video(1), question + ids)
        found = model.llm(inputs_embeds=embeds).logits[0, -len(ids) - 1 : -1].log_softmax(-1)
        totals.append(float(found[torch.arange(len(ids)), list(ids)].sum()))
    expected = torch.tensor(totals).softmax(0)
    assert answer.motion == list(questions.MOTIONS)[int(expected.argmax())]
    assert answer.motion_prob == pytest.approx(float(expected.max()), abs=1e-5)


class _Numbers(LogitsProcessor):
    """Admits digits and one point in such an order that a score of one decimal comes out."""

    def __init__(self, pieces: dict[int, str]) -> None:
        self.ids = {piece: index for index, piece in pieces.items()}

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        names = {index: piece for piece, index in self.ids.items()}
        text = "".join(names[i] for i in input_ids[0].tolist())
        digits = "0123456789"
        allowed = {0: digits, 1: "." if text == "0" else digits + "."}.get(len(text), digits)
        if len(text) >= 2 and "." not in text:
            allowed = ".0" if text == "10" else "."
        if text == "100.":
            allowed = "0"
        out = torch.full_like(scores, -torch.inf)
        keep = [self.ids[c] for c in allowed]
        out[:, keep] = scores[:, keep]
        return out


@torch.no_grad()
def test_the_generated_score_is_that_of_greedy_generation(tmp_path: Path) -> None:
    model, chat = make_model(tmp_path)
    answers = ReadOut(model, chat, level_std=12).answers([make_video(i) for i in range(3)])
    pieces = {i: p for i, p in chat.number_pieces().items() if len(p) == 1}
    asked = chat.question(questions.canonical("score"))
    stem = chat.frames["score"].stem
    for seed, answer in enumerate(answers):
        embeds = conversation(model, chat, make_video(seed), asked + stem)
        written = model.llm.generate(
            inputs_embeds=embeds,
            attention_mask=torch.ones(embeds.shape[:2]),
            logits_processor=LogitsProcessorList([_Numbers(pieces)]),
            max_new_tokens=len(f"{answer.score_generated:.1f}"),
            do_sample=False,
            pad_token_id=0,
        )
        text = "".join(pieces[i] for i in written[0].tolist())
        assert text == f"{answer.score_generated:.1f}"
