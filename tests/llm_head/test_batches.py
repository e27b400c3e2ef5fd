import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from llm_head.batches import STEPS, by_length
from llm_head.data import group, token_shape
from llm_head.pairs import WithPairs
from llm_head.prompts import Chat
from llm_head.samples import Sample, Samples
from llm_head.tune import tune
from pipeline.cache import TokenCache
from tests.llm_head.test_tune import make_config, make_records
from tests.synthetic import make_caches, make_manifest
from tests.tiny_llm import make_tokenizer, save_tiny_llm

LENGTHS = (9, 2, 2)


def shuffled(count: int, seed: int) -> list[int]:
    order = list(range(count))
    random.Random(seed).shuffle(order)
    return order


def padded(order: Sequence[int], lengths: Sequence[int], size: int) -> int:
    """Return the seconds that batches are long, padding included."""
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    return sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)


@pytest.mark.parametrize("count", [0, 3, 8, 83, 8 * STEPS, 1000])
def test_equal_lengths_keep_the_order(count: int) -> None:
    order = shuffled(count, seed=count)
    for per_step in (1, 3, 8):
        assert by_length(order, [2] * count, per_step) == order


@pytest.mark.parametrize("parts", [False, True])
@pytest.mark.parametrize("long", [10, 60])
def test_batches_of_mixed_lengths_are_hardly_padded(long: int, parts: bool) -> None:
    """One video in eight is long, the others have 8 s; a batch has eight."""
    rng = random.Random(0)
    lengths = [long if i % 8 == 0 else 8 for i in range(2404)]
    if parts:
        lengths = [rng.randint(1, n) if rng.random() < 0.5 else n for n in lengths]
    order = shuffled(len(lengths), seed=0)
    found = by_length(order, lengths, per_step=8)
    assert sorted(found) == sorted(order)
    there = sum(lengths)
    assert padded(order, lengths, 8) > (1.1 if long == 10 else 2.8) * there
    assert padded(found, lengths, 8) < (1.03 if long == 10 else 1.1) * there
    assert set(found[2400:]) == set(order[2400:])  # the rest is drawn, not the shortest


def test_steps_of_all_lengths_come_all_the_time() -> None:
    lengths = [60 if i % 2 else 8 for i in range(8 * 200)]
    found = by_length(shuffled(len(lengths), seed=1), lengths, per_step=8)
    long = [lengths[found[at]] == 60 for at in range(0, len(found), 8)]
    changes = sum(one != other for one, other in pairwise(long))
    assert changes > 100  # by chance, about 100
    assert 8 < sum(long[:STEPS]) < 24
    assert found != by_length(shuffled(len(lengths), seed=2), lengths, per_step=8)


def test_a_process_has_batches_of_the_step_that_one_process_would_have() -> None:
    lengths = [1 + i % 13 for i in range(96)]
    order = shuffled(96, seed=0)
    assert by_length(order, lengths, 2 * 4) == by_length(order, lengths, 8)
    batches = by_length(order, lengths, per_step=8)
    halves = padded(batches, lengths, 4)  # within a step they are sorted too
    assert halves <= padded(batches, lengths, 8)
    for at in range(0, len(batches), 8):
        of_step = [lengths[sample] for sample in batches[at : at + 8]]
        assert of_step == sorted(of_step)


def test_of_a_mean_over_time_all_are_equally_long(tmp_path: Path) -> None:
    table = make_manifest(6)
    caches = make_caches(tmp_path, table, seconds=LENGTHS)
    shape = token_shape(caches, "v0", "both", "mean", 7)
    videos = group(replace(r, dataset="a") for r in make_records(table))
    samples = Samples(videos, {"a": caches}, Chat(make_tokenizer()), shape, 12, 0, parts=True)
    assert not WithPairs(samples, 0.0, seed=0).mixed


def test_a_length_is_that_of_the_sample_and_no_tokens_are_read_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = make_manifest(9 * 2)
    sets = {name: make_caches(tmp_path / name, table, seconds=LENGTHS) for name in ("a", "b")}
    records = [replace(r, dataset=name) for name in sets for r in make_records(table)]
    shape = token_shape(sets["a"], "v0", "both", "ordered", 7)
    samples = Samples(
        *(group(records), sets, Chat(make_tokenizer()), shape, 12, 0),
        parts=True,
        weights={"b": 1.5},
    )
    samples.practice = 0.5
    pairs = WithPairs(samples, 1.0, seed=0)
    assert pairs.mixed
    seen: set[int] = set()
    for epoch in range(3):
        pairs.set_epoch(epoch)
        with monkeypatch.context() as patch:
            patch.setattr(TokenCache, "read", None)
            lengths = [pairs.length(place) for place in range(len(pairs))]
        assert lengths == [len(pairs[place].tokens.seconds) for place in range(len(pairs))]
        seen |= set(lengths)
    assert seen >= set(range(1, 10))


def shown(folder: Path, seconds: Sequence[int], **changes: Any) -> list[tuple[int, int]]:
    """Tune for two epochs on 46 videos; return place and seconds of all that training sees."""
    table = make_manifest(48)
    table["split"] = ["train"] * 46 + ["val"] * 2
    caches = make_caches(folder / "cache", table, seconds=seconds)
    config = make_config(folder, **{"epochs": 2, "seconds": 9, "seed": 5, **changes})
    save_tiny_llm(folder / "llm")
    found: list[tuple[int, int]] = []
    plain = WithPairs.__getitem__

    def getitem(samples: WithPairs, place: int) -> Sample:
        sample = plain(samples, place)
        if len(samples.videos) == 46:
            found.append((place, len(sample.tokens.seconds)))
        return sample

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WithPairs, "__getitem__", getitem)
        tune(make_records(table), {"d": caches}, config, "cpu")
    return found


@pytest.mark.slow
def test_training_on_equally_long_videos_sees_them_in_the_seeds_plain_order(tmp_path: Path) -> None:
    """Though parts of videos, and pairs, are of many lengths."""
    found = shown(tmp_path, seconds=(3,), pairs=0.5)
    assert len({length for _, length in found}) > 3
    drawn = [
        torch.randperm(46 + 23, generator=torch.Generator().manual_seed(5 + epoch)).tolist()
        for epoch in range(2)
    ]
    assert [place for place, _ in found] == drawn[0] + drawn[1]


@pytest.mark.slow
def test_training_on_mixed_lengths_sees_each_video_once_an_epoch_and_little_padding(
    tmp_path: Path,
) -> None:
    found = shown(tmp_path, seconds=LENGTHS)
    for epoch in range(2):
        seen = dict(found[epoch * 46 : (epoch + 1) * 46])
        assert sorted(seen) == list(range(46))
        lengths = [seen[place] for place in range(46)]
        plain = torch.randperm(46, generator=torch.Generator().manual_seed(5 + epoch)).tolist()
        waste = [padded(order, lengths, 4) - sum(lengths) for order in (plain, list(seen))]
        assert waste[1] < waste[0] / 4


def test_validation_measures_the_same_scores_in_whatever_order(tmp_path: Path) -> None:
    """A video that is left out or comes twice would change the rank correlation."""
    save_tiny_llm(tmp_path / "llm")
    table = make_manifest(24)
    caches = {"d": make_caches(tmp_path, table, seconds=LENGTHS)}
    found = []
    for mixed in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not mixed:
                patch.setattr(WithPairs, "mixed", False)
            config = make_config(tmp_path, seconds=9, learning_rate=0.0)
            found.append(tune(make_records(table), caches, config, "cpu").history["val_srcc"].max())
    assert found[0] == found[1]
