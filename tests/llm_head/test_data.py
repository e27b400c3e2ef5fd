from pathlib import Path

import numpy as np
import pytest

from llm_head.data import DataError, choose, read_tokens, token_names, token_shape
from llm_head.projector import TokenShape
from llm_head.shown import pad
from tests.synthetic import make_caches, make_manifest

SHAPE = TokenShape("both", "ordered", 2, (3, 5), 4)


def seconds(count: int) -> dict[str, np.ndarray]:
    """Return tokens that hold their second's number."""
    numbers = np.arange(count, dtype=np.float16)
    return {
        "spatial": np.broadcast_to(numbers[:, None, None], (count, 3, 5)),
        "temporal": np.broadcast_to(numbers[:, None], (count, 4)),
    }


@pytest.mark.parametrize(
    ("count", "wanted", "chosen"),
    [(1, 2, [0]), (2, 2, [0, 1]), (3, 2, [0, 2]), (10, 4, [1, 3, 6, 8]), (7200, 2, [1800, 5400])],
)
def test_seconds_are_spread_evenly(count: int, wanted: int, chosen: list[int]) -> None:
    shape = TokenShape("both", "ordered", wanted, (3, 5), 4)
    spatial, temporal, shown, _ = choose(seconds(count), shape, "v")
    assert shown == tuple(chosen)
    assert spatial[:, 0, 0].tolist() == temporal[:, 0].tolist() == chosen
    assert spatial.dtype == temporal.dtype == np.float32


def test_one_kind_of_tokens_leaves_the_other_empty() -> None:
    only = {"temporal": seconds(3)["temporal"]}
    spatial, temporal, *_ = choose(only, TokenShape("temporal", "ordered", 2, (0, 0), 4), "v")
    assert (spatial.shape, temporal.shape) == ((2, 0, 0), (2, 4))


def test_tokens_of_another_shape_are_refused() -> None:
    with pytest.raises(DataError, match=r"v: spatial tokens are \(3, 5\), the head reads \(2, 5\)"):
        choose(seconds(2), TokenShape("both", "ordered", 2, (2, 5), 4), "v")
    uneven = seconds(3) | {"temporal": seconds(2)["temporal"]}
    with pytest.raises(DataError, match="differ in number"):
        choose(uneven, SHAPE, "v")


def test_videos_with_different_numbers_of_seconds_are_padded() -> None:
    batch = pad([choose(seconds(1), SHAPE, "v"), choose(seconds(2), SHAPE, "w")])
    assert batch["spatial"].shape == (2, 2, 3, 5)
    assert batch["seconds"].tolist() == [[True, False], [True, True]]
    assert batch["temporal"][1, 1].tolist() == [1] * 4


def test_names_of_tokens_change_with_settings_and_content(tmp_path: Path) -> None:
    table = make_manifest(2)
    names = token_names(make_caches(tmp_path, table))
    assert list(names) == ["v0", "v1"]
    again = make_caches(tmp_path, table)
    assert token_names(again) == names
    again["spatial"].videos["v0"] = "1" * 64
    del again["temporal"].videos["v1"]
    assert token_names(again)["v0"] != names["v0"]
    assert list(token_names(again)) == ["v0"]
    other = make_caches(tmp_path, table, fingerprint={"model": "other", "random": False})
    assert token_names(other)["v1"] != names["v1"]


def test_tokens_come_from_the_cache(tmp_path: Path) -> None:
    table = make_manifest(2)
    caches = make_caches(tmp_path, table)
    shape = token_shape(caches, "v0", "both", "ordered", 2)
    spatial, temporal, seconds, cue = read_tokens(caches, "v1", shape, "60 frames a second.")
    assert (seconds, cue) == ((0, 1), "60 frames a second.")
    np.testing.assert_array_equal(spatial, caches["spatial"].read("v1").tokens)
    np.testing.assert_array_equal(temporal, caches["temporal"].read("v1").tokens)
