"""Conversations of others whose task names all its answers: words to align with, sets to weigh."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import torch

from llm_head.alignment import Alignment
from llm_head.data import Video, group, token_shape
from llm_head.instruct import Record, Turn
from llm_head.prompts import Chat
from llm_head.questions import WORDS
from llm_head.samples import Samples, closed_tasks, truth
from tests.synthetic import make_caches, make_manifest
from tests.tiny_llm import make_tokenizer

OURS = sum(len(words) for words in WORDS.values())
CHOICES = ("It goes left.", "It goes right.", "It stays.")
CLOSED = {"camera": CHOICES}


def record(video: str, answer: str, dataset: str = "a") -> Record:
    turns = (Turn("human", "<video>\nWhere?"), Turn("gpt", answer))
    name = f"{dataset}/{video}"
    return Record(name, video, dataset, "train", "camera", turns, tokens="t", choices=CHOICES)


def test_a_task_that_names_its_answers_is_closed_unless_it_is_one_of_ours() -> None:
    records = [record("v0", CHOICES[0]), replace(record("v1", "Up."), task="free", choices=())]
    records.append(replace(record("v2", CHOICES[0]), task="level"))
    assert closed_tasks(records) == CLOSED


def test_what_is_true_of_a_video_comes_after_our_own_words() -> None:
    videos = group([record("v0", CHOICES[1]), record("v1", "Something else.")])
    told, other = (truth(video, 12, CLOSED) for video in videos)
    assert told.tolist() == [0.0] * OURS + [0, 1, 0]
    assert not other.any()
    assert truth(Video("a", "v0", videos[0].records), 12).shape == (OURS,)


def test_tokens_that_are_the_words_of_the_true_answer_have_the_least_loss() -> None:
    chat = Chat(make_tokenizer())
    torch.manual_seed(0)
    embeddings = torch.randn(len(make_tokenizer()), 24)
    plain, alignment = Alignment(chat, embeddings), Alignment(chat, embeddings, CLOSED)
    assert alignment.embeddings.shape == (OURS + 3, 24)
    assert torch.equal(alignment.embeddings[:OURS], plain.embeddings)
    words = torch.zeros(1, OURS + 3)
    words[0, OURS + 1] = 1
    seconds = torch.ones(1, 1, dtype=torch.bool)
    losses = [
        float(alignment(word.expand(1, 1, 2, -1), seconds, words)) for word in alignment.embeddings
    ]
    assert min(losses) == losses[OURS + 1]


def test_sets_of_conversations_are_mixed_by_their_weights(tmp_path: Path) -> None:
    caches = make_caches(tmp_path, make_manifest(4))
    videos = group(record(f"v{i}", CHOICES[i % 3], name) for name in "ab" for i in range(4))
    shape = token_shape(caches, "v0", "both", "ordered", 2)
    samples = Samples(
        videos, {"a": caches, "b": caches}, Chat(make_tokenizer()), shape, 12, seed=0,
        weights={"a": 0.5, "b": 2.0}, closed=CLOSED,
    )  # fmt: skip
    shown = [samples[place] for place in range(len(samples))]
    assert Counter(sample.dataset for sample in shown) == {"a": 2, "b": 8}
    assert all(sum(map(any, (s.learned for s in sample.segments))) == 1 for sample in shown)
    assert all(sample.words.shape == (OURS + 3,) and sample.words.sum() == 1 for sample in shown)


def test_a_task_whose_records_name_different_answers_is_not_closed() -> None:
    own = replace(record("v1", "It stays."), choices=("It stays.", "It jumps."))
    assert closed_tasks([record("v0", CHOICES[0]), own]) == {}


def test_a_video_that_was_answered_in_two_ways_counts_once() -> None:
    again = replace(record("v0", CHOICES[2]), id="again")
    (video,) = group([record("v0", CHOICES[1]), again])
    assert truth(video, 12, CLOSED)[OURS:].tolist() == [0, 0.5, 0.5]
