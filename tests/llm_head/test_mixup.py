"""Mixtures of two videos: what lies between, and what is true of it."""

from pathlib import Path

import numpy as np
import pytest

from llm_head import instruct
from llm_head.data import Samples, group, token_names, token_shape
from llm_head.mixup import Shown, blend
from llm_head.prompts import Chat
from tests.synthetic import make_caches, make_manifest
from tests.tiny_llm import make_tokenizer


def shown(value: float, seconds: int, mos: float) -> Shown:
    spatial = np.full((seconds, 2, 3), value, np.float32)
    words = np.full(14, value)
    return Shown((spatial, np.full((seconds, 4), -value, np.float32)), words, mos)


def test_a_mixture_lies_between_and_is_as_long_as_the_shorter() -> None:
    found = blend(shown(0, 5, 20), shown(10, 3, 60), 0.7)
    spatial, temporal = found.tokens
    assert spatial.shape == (3, 2, 3) and temporal.shape == (3, 4)
    assert spatial.dtype == temporal.dtype == np.float32
    np.testing.assert_allclose(spatial, 3)
    np.testing.assert_allclose(temporal, -3, rtol=1e-6)
    np.testing.assert_allclose(found.words, 3)
    assert found.mos == pytest.approx(0.7 * 20 + 0.3 * 60)


def test_without_both_scores_the_level_is_not_known() -> None:
    found = blend(shown(1, 2, np.nan), shown(1, 2, 50), 0.5)
    assert np.isnan(found.mos)
    assert not found.words[:5].any() and found.words[5:].all()


def make_samples(folder: Path, mixup: float) -> Samples:
    table = make_manifest(24)
    caches = make_caches(folder, table)
    tasks = ("score", "level", "impairment", "motion")
    records = list(instruct.build(table, "d", tasks, token_names(caches), seed=0))
    shape = token_shape(caches, table["video_id"][0], "both", "ordered", 8)
    chat = Chat(make_tokenizer())
    return Samples(group(records), {"d": caches}, chat, shape, 12, seed=0, mixup=mixup)


def test_a_mixed_sample_is_asked_for_its_level_only(tmp_path: Path) -> None:
    plain, mixed = make_samples(tmp_path / "a", 0.0), make_samples(tmp_path / "b", 1.0)
    for index in range(len(plain)):
        one, two = plain[index], mixed[index]
        assert len(one.segments) == 3 and len(two.segments) == 2  # the video is the first
        assert not np.array_equal(one.tokens[0], two.tokens[0])
        assert two.words[:5].sum() == pytest.approx(1)
        assert np.isfinite(two.mos)


def test_the_same_mixtures_come_every_time_and_others_in_another_epoch(tmp_path: Path) -> None:
    a, b = make_samples(tmp_path / "a", 0.5), make_samples(tmp_path / "b", 0.5)
    first = [a[index].tokens[0].tobytes() for index in range(len(a))]
    assert first == [b[index].tokens[0].tobytes() for index in range(len(b))]
    b.set_epoch(1)
    assert first != [b[index].tokens[0].tobytes() for index in range(len(b))]
    plain = make_samples(tmp_path / "c", 0.0)
    unmixed = sum(plain[i].tokens[0].tobytes() == first[i] for i in range(len(a)))
    assert 0 < unmixed < len(a)
