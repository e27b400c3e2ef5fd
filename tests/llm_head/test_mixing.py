from collections import Counter

import pytest

from llm_head.mixing import Mix

SETS = ["big"] * 8 + ["small"] * 3


def drawn(mix: Mix, turn: int) -> list[int]:
    return [mix.at(place, turn)[0] for place in range(len(mix))]


def test_without_weights_every_video_has_its_own_place() -> None:
    mix = Mix(SETS, {}, seed=0)
    assert [mix.at(place, 5) for place in range(len(mix))] == [(i, 5) for i in range(11)]
    assert len(Mix(SETS, {"big": 1.0}, seed=0)) == 11
    assert len(Mix([], {"big": 2.0}, seed=0)) == 0


@pytest.mark.parametrize(("weights", "big", "small"), [
    ({"big": 0.5}, 4, 3), ({"small": 3}, 8, 9), ({"big": 0.25, "small": 2}, 2, 6),
])  # fmt: skip
def test_a_set_has_places_by_its_weight(weights: dict[str, float], big: int, small: int) -> None:
    mix = Mix(SETS, weights, seed=0)
    for turn in range(3):
        counts = Counter(SETS[index] for index in drawn(mix, turn))
        assert counts == {"big": big, "small": small}


def test_all_have_their_turn_before_one_comes_again() -> None:
    mix = Mix(SETS, {"big": 0.5, "small": 1.5}, seed=0)
    two = drawn(mix, 0) + drawn(mix, 1)
    assert Counter(i for i in two if i < 8) == dict.fromkeys(range(8), 1)
    assert sorted(Counter(i for i in two if i >= 8).values()) == [2, 3, 3]


def test_a_video_that_comes_again_is_another_time() -> None:
    mix = Mix(SETS, {"small": 2}, seed=0)
    seen = [mix.at(place, turn) for turn in range(3) for place in range(len(mix))]
    assert len(set(seen)) == len(seen)


def test_a_turn_can_be_looked_at_by_itself() -> None:
    weights = {"big": 0.7, "small": 2}
    forward = [drawn(mix, turn) for mix in [Mix(SETS, weights, seed=0)] for turn in range(4)]
    mix = Mix(SETS, weights, seed=0)
    assert [drawn(mix, turn) for turn in (3, 2, 1, 0)] == forward[::-1]
    assert drawn(Mix(SETS, weights, seed=1), 0) != forward[0]
