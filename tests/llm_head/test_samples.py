from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from llm_head import instruct
from llm_head.data import Video, group, token_names, token_shape
from llm_head.prompts import Chat
from llm_head.samples import Samples, collate, truth
from tests.synthetic import make_caches, make_manifest
from tests.tiny_llm import make_tokenizer


def make_samples(tmp_path: Path) -> Samples:
    table = make_manifest(6)
    caches = make_caches(tmp_path, table)
    records = instruct.build(
        table, "d", ["score", "level", "impairment", "motion"], token_names(caches), seed=0
    )
    shape = token_shape(caches, "v0", "both", "ordered", 2)
    return Samples(group(records), {"d": caches}, Chat(make_tokenizer()), shape, 12, seed=0)


def test_a_sample_has_the_level_question_and_another_drawn_anew_each_epoch(
    tmp_path: Path,
) -> None:
    samples = make_samples(tmp_path)
    drawn = Counter()
    for epoch in range(40):
        samples.set_epoch(epoch)
        _, level, *others = samples[0].segments
        assert level.soft_at is not None
        assert len(others) == 1
        assert all(other.soft_at is None for other in others)
        drawn.update(other.ids for other in others)
    assert len(drawn) == 3
    assert sorted(drawn.values())[-1] > 20 > sorted(drawn.values())[-2]  # the impairment
    samples.set_epoch(0)
    assert samples[0].segments == make_samples(tmp_path)[0].segments


def test_a_level_without_mos_is_learned_as_text(tmp_path: Path) -> None:
    table = make_manifest(2)
    caches = make_caches(tmp_path, table)
    records = [
        replace(r, mos=None)
        for r in instruct.build(table, "d", ["level"], token_names(caches), seed=0)
    ]
    shape = token_shape(caches, "v0", "both", "ordered", 2)
    samples = Samples(group(records), {"d": caches}, Chat(make_tokenizer()), shape, 12, seed=0)
    assert samples[0].segments[1].soft_at is None
    assert np.isnan(samples[0].mos)


def test_a_batch_has_one_place_per_visual_token(tmp_path: Path) -> None:
    samples = make_samples(tmp_path)
    batch = collate([samples[0], samples[1]])
    there = int(batch["seconds"].sum())
    assert int(batch["visual"].sum()) == there * 4
    assert batch["words"].sum(1).tolist() == pytest.approx([3, 3])  # level, impairment, motion
    assert batch["ids"].shape == batch["labels"].shape == batch["source"].shape


def test_words_that_are_true_of_a_video(tmp_path: Path) -> None:
    samples = make_samples(tmp_path)
    _, words = samples.shown(1, 0)
    level, impairment, severity, motion = words.split([5, 7, 3, 2])
    mos = make_manifest(6)["mos"][1]
    assert float(level @ torch.tensor([10.0, 30, 50, 70, 90])) == pytest.approx(mos, abs=6)
    assert impairment.tolist() == [1, 0, 0, 0, 0, 0, 0]  # none is the first
    assert severity.sum() == 0  # nobody asked
    assert motion.tolist() == [0, 1]  # smooth, frozen
    unknown = [replace(r, mos=None) for r in samples.videos[0].records if r.task == "level"]
    assert truth(Video("d", "v0", tuple(unknown)), 12).sum() == 0


def test_training_shows_runs_of_seconds_and_validation_whole_videos(tmp_path: Path) -> None:
    table = make_manifest(2)
    caches = make_caches(tmp_path, table)
    records = instruct.build(table, "d", ["level"], token_names(caches), seed=0)
    shape = token_shape(caches, "v0", "both", "ordered", 2)
    seen: dict[bool, Counter[bytes]] = {True: Counter(), False: Counter()}
    for parts, counts in seen.items():
        samples = Samples(
            group(records), {"d": caches}, Chat(make_tokenizer()), shape, 12, seed=0, parts=parts
        )
        for turn in range(60):
            (spatial, temporal, shown, _), _ = samples.shown(0, turn)
            assert len(spatial) == len(temporal) == len(shown)
            assert shown[0] == 0
            counts[temporal.tobytes()] += 1
    first, second = caches["temporal"].read("v0").tokens.astype(np.float32)
    whole = np.stack([first, second]).tobytes()
    assert set(seen[False]) == {whole}
    assert set(seen[True]) == {whole, first.tobytes(), second.tobytes()}
    assert seen[True][whole] > 30  # half of the time, and half of the other half


def test_soft_labels_are_as_wide_as_the_raters_disagree(tmp_path: Path) -> None:
    table = make_manifest(2).assign(mos=50.0, mos_std=[25.0, np.nan])
    caches = make_caches(tmp_path, table)
    records = instruct.build(table, "d", ["level"], token_names(caches), seed=0)
    shape = token_shape(caches, "v0", "both", "ordered", 2)

    def fair(raters: bool) -> list[float]:
        samples = Samples(
            *(group(records), {"d": caches}, Chat(make_tokenizer()), shape, 12),
            seed=0,
            raters=raters,
        )
        return [float(samples.shown(index, 0)[1][2]) for index in (0, 1)]

    wide, unknown = fair(raters=True)
    assert wide < 0.4 < unknown  # half as much mass in the middle level
    assert fair(raters=False) == [unknown, unknown]


def test_a_batch_says_which_videos_are_of_one_data_set(tmp_path: Path) -> None:
    samples = make_samples(tmp_path)
    batch = [replace(samples[i], dataset=name) for i, name in enumerate(("b", "a", "b"))]
    assert samples[0].dataset == "d"
    assert collate(batch)["sets"].tolist() == [1, 0, 1]


def test_a_set_of_weight_two_comes_twice_an_epoch_and_is_drawn_anew(tmp_path: Path) -> None:
    table = make_manifest(2)
    caches = make_caches(tmp_path, table)
    records = [
        record
        for name in ("a", "b")
        for record in instruct.build(
            table, name, ["level", "score", "impairment", "motion"], token_names(caches), seed=0
        )
    ]
    shape = token_shape(caches, "v0", "both", "ordered", 2)
    samples = Samples(
        *(group(records), {"a": caches, "b": caches}, Chat(make_tokenizer()), shape, 12),
        seed=0,
        weights={"b": 2.0},
    )
    drawn: dict[str, list[str]] = {"a": [], "b": []}
    for epoch in range(6):
        samples.set_epoch(epoch)
        for sample in (samples[place] for place in range(len(samples))):
            drawn[sample.dataset].append(repr(sample.segments))
    assert (len(drawn["a"]), len(drawn["b"])) == (12, 24)
    assert len(set(drawn["b"])) > 4  # two videos, three other questions each
    assert len(list(samples.tokens(10))) == 4
