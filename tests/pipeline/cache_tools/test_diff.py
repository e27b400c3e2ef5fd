import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.cache import TokenCache, Tokens, token_file, write_index, write_tokens
from pipeline.cache_tools.diff import diff, summary, video_diff
from pipeline.cache_tools.pack import pack

Make = Callable[..., Path]


def test_equal_caches_are_equal_packed_or_not(project: Make) -> None:
    a, b = project("a") / "spatial", project("b") / "spatial"
    pack(b)
    found = diff(a, b)
    assert found.equal and found.compared == 6
    assert summary(found) == "6 videos in both, 0 differ"


def test_what_differs_is_said(project: Make) -> None:
    a, b = project("a") / "spatial", project("b", layers=[1]) / "spatial"
    cache = TokenCache(b)
    for video, change in (("v1", 0.5), ("v2", 4.0)):
        old = cache.read(video)
        tokens = old.tokens.copy()
        tokens[0, 0, 0] += np.float16(change)
        write_tokens(token_file(b, video), Tokens(tokens, old.pts_s), cache.fingerprint, "0" * 64)
    write_index(b, cache.fingerprint, {v: s for v, s in cache.videos.items() if v != "v5"})
    found = diff(a, b)
    assert not found.equal
    assert found.only_a == ["v5"] and found.only_b == []
    assert found.settings == {"layers": (None, [1])}
    assert [item.video_id for item in found.videos] == ["v1", "v2"]
    assert found.videos[1].largest == pytest.approx(4, abs=0.1)
    text = summary(found)
    assert "setting layers: None and [1]" in text and "1 only in the first: v5" in text
    assert text.index("  v2: largest") < text.index("  v1: largest")  # the worst first


def test_other_libraries_are_said_and_are_no_difference(project: Make) -> None:
    a, b = project("a") / "spatial", project("b") / "spatial"
    cache = TokenCache(b)
    for video, sha256 in cache.videos.items():
        path = token_file(b, video)
        write_tokens(path, cache.read(video), cache.fingerprint, sha256, {"ffmpeg": "8.9"})
    found = diff(a, b)
    assert found.equal
    assert "made with ffmpeg None and 8.9" in summary(found)


def test_the_numbers_of_one_video() -> None:
    a = Tokens(np.array([[3, 0], [0, 0]], np.float16), np.array([0.0, 1.0]))
    b = Tokens(np.array([[3, 4], [0, 0]], np.float16), np.array([0.0, 1.5]))
    found = video_diff("v", a, b, other_video=False)
    assert (found.largest, found.mean, found.pts_s) == (4, 1, 0.5)
    assert found.cosine == pytest.approx(0.6)
    assert not found.equal and video_diff("v", a, a, False).equal
    assert video_diff("v", a, a, other_video=True).equal is False


def test_other_numbers_of_seconds_are_a_difference_not_an_error() -> None:
    one = Tokens(np.ones((1, 2), np.float16), np.zeros(1))
    two = Tokens(np.ones((2, 2), np.float16), np.arange(2.0))
    assert video_diff("v", one, two, False).shapes == ((1, 2), (2, 2))


def test_nested_settings_are_named(project: Make) -> None:
    a = project("a", sampling={"frames": 8}) / "spatial"
    b = project("b", sampling={"frames": 16}) / "spatial"
    assert json.dumps(diff(a, b).settings) == '{"sampling.frames": [8, 16]}'
