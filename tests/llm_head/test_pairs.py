import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import ndtr

from llm_head import instruct
from llm_head.data import group, read_tokens, token_names, token_shape
from llm_head.llm import load_llm
from llm_head.model import LmmVqa
from llm_head.pair import SPREAD, compare_together
from llm_head.pairs import WithPairs
from llm_head.prompts import Chat
from llm_head.samples import Samples, collate
from llm_head.tune import tune
from tests.llm_head.test_tune import make_config, make_records
from tests.synthetic import make_caches, make_manifest
from tests.tiny_llm import make_tokenizer, save_tiny_llm


def make_samples(folder: Path, share: float, **changes: object) -> WithPairs:
    """Return five videos of set a and two of set b, of which one has no MOS."""
    table = make_manifest(6)[:5]
    caches = make_caches(folder, table)
    records = [
        record
        for name, rows in (("a", table), ("b", table[:2]))
        for record in instruct.build(rows, name, ["level"], token_names(caches), seed=0)
        if (name, record.video) != ("b", "v1")
    ]
    shape = token_shape(caches, "v0", "both", "ordered", 2)
    chat = Chat(make_tokenizer())
    samples = Samples(group(records), {"a": caches, "b": caches}, chat, shape, 12, 0, **changes)  # type: ignore[arg-type]
    return WithPairs(samples, share, seed=0)


def test_pairs_stand_behind_the_videos(tmp_path: Path) -> None:
    samples = make_samples(tmp_path, share=1.5)
    assert len(samples) == 6 + 9
    assert np.isnan([samples[i].better for i in range(6)]).all()
    pairs = [samples[i] for i in range(6, 15)]
    assert {len(pair.tokens.spatial) for pair in pairs} == {4}
    assert all(np.isnan(pair.mos) and pair.words.sum() == 0 for pair in pairs)
    assert len(make_samples(tmp_path, share=0)) == 6


def test_a_pair_is_of_one_set_and_its_label_is_how_many_prefer_the_first(tmp_path: Path) -> None:
    samples = make_samples(tmp_path, share=1)
    caches, shape = samples._samples._caches["a"], samples._samples.shape
    tokens = {
        read_tokens(caches, row.video_id, shape).temporal.tobytes(): row.mos
        for row in make_manifest(6)[:5].itertuples()
    }
    seen = Counter()
    for epoch in range(30):
        samples.set_epoch(epoch)
        for pair in (samples[i] for i in range(6, 12)):
            assert pair.dataset == "a"  # of set b only one video has a MOS
            first, second = (tokens[half.tobytes()] for half in np.split(pair.tokens.temporal, 2))
            assert pair.better == pytest.approx(ndtr((first - second) / SPREAD))
            seen[first, second] += 1
    assert len(seen) == 20  # each video with each other, in both orders
    samples.set_epoch(3)
    again = make_samples(tmp_path, share=1)
    again.set_epoch(3)
    assert [samples[i].segments for i in range(12)] == [again[i].segments for i in range(12)]


def test_the_loss_of_a_pair_is_that_of_its_label_beside_videos(tmp_path: Path) -> None:
    tokenizer, llm = load_llm(str(save_tiny_llm(tmp_path / "llm")), "float32")
    chat = Chat(tokenizer)
    samples = make_samples(tmp_path, share=1)
    model = LmmVqa(llm, samples._samples.shape, chat).eval()
    videos, pair = [samples[0], samples[1]], samples[7]
    with torch.no_grad():
        alone = model(**collate(videos))["loss"]
        mixed = model(**collate([*videos, pair]))
        of_pair = [
            float(model(**collate([replace(pair, better=better)]))["loss"])
            for better in (0.0, pair.better, 1.0)
        ]
    share = pair.better
    assert of_pair[1] == pytest.approx(of_pair[0] * (1 - share) + of_pair[2] * share, abs=1e-5)
    assert float(mixed["loss"]) == pytest.approx((2 * float(alone) + of_pair[1]) / 3, abs=1e-5)
    assert mixed["score"].isnan().tolist() == [False, False, True]


@pytest.mark.slow
def test_the_better_of_two_is_learned_and_swapping_mirrors_it(tmp_path: Path) -> None:
    save_tiny_llm(tmp_path / "llm")
    table = make_manifest(60)
    table["split"] = ["train"] * 48 + ["val"] * 3 + ["test"] * 9
    caches = make_caches(tmp_path, table)
    records = [record for record in make_records(table) if record.task == "level"]
    config = make_config(tmp_path, epochs=12, pairs=2.0)
    tuned = tune(records, {"d": caches}, config, "cpu")
    tested = table[table["split"] == "test"]
    shape = tuned.model.projector.shape
    videos = [read_tokens(caches, name, shape) for name in tested["video_id"]]
    mos = tested["mos"].to_numpy()
    right, far = 0, 0
    for i in range(9):
        for j in range(i):
            found = compare_together(tuned.model, tuned.chat, videos[i], videos[j])
            other = compare_together(tuned.model, tuned.chat, videos[j], videos[i])
            assert found.a_better == 1 - other.a_better and other.a_better == 1 - found.a_better
            assert found.difference == -other.difference
            assert (found.difference > 0) == (found.a_better > 0.5)
            if abs(mos[i] - mos[j]) > 10:
                far += 1
                right += (found.difference > 0) == (mos[i] > mos[j])
    assert right / far > 0.9
    same = compare_together(tuned.model, tuned.chat, videos[0], videos[0])
    assert (same.difference, same.a_better) == (0, 0.5)


def test_an_epoch_whose_only_place_is_an_unrated_video_has_pairs_too(tmp_path: Path) -> None:
    samples = make_samples(tmp_path, share=1, weights={"a": 0.2, "b": 0.5})
    rated = samples._others["a"]
    samples._others = {"a": [index for index in rated if index != rated[0]]}
    for epoch in range(10):
        samples.set_epoch(epoch)
        first, second = samples._draw(random.Random(epoch))
        assert {first, second} <= set(samples._others["a"]) and first != second
