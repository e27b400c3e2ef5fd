from collections import Counter, defaultdict
from fractions import Fraction

import pytest

from pipeline.demo.impair import STREAMING, WILD
from pipeline.demo.plan import plan, recipe, split_scenes
from pipeline.demo.shots import Shot


def shots(films: int = 64, photos: int = 16, still: int = 0) -> list[Shot]:
    """Return shots of 16 film scenes and 8 photographs; the first `still` do not move."""
    made = []
    for i in range(films + photos):
        film = i < films
        scene = f"film_{i % 16:02d}" if film else f"photo{i % 8}"
        start_s = 100.0 + i if film else None
        fps = Fraction(24 if film else 30)
        path = "" if film else "null"
        made.append(
            Shot(f"{scene}_{i}", scene, "f", i >= still, start_s, path, 1280, fps, int(2 * fps))
        )
    return made


def test_no_scene_is_in_two_splits():
    found = defaultdict(set)
    for item in plan(shots(), STREAMING, 6, None, seed=0):
        found[item.shot.scene].add(item.split)
    assert all(len(splits) == 1 for splits in found.values())


@pytest.mark.parametrize("seed", range(5))
def test_splits_have_their_shares_of_films_and_photographs(seed):
    all_shots = shots()
    splits = split_scenes(all_shots, seed)
    for photo in (False, True):
        count = Counter(splits[s.scene] for s in all_shots if (s.start_s is None) == photo)
        total = count.total()
        assert 0.6 <= count["train"] / total <= 0.8
        assert 0.05 <= count["val"] / total <= 0.15
        assert 0.15 <= count["test"] / total <= 0.25


def test_another_seed_gives_another_split():
    assert split_scenes(shots(), 0) != split_scenes(shots(), 1)
    assert split_scenes(shots(), 0) == split_scenes(shots(), 0)


def test_every_shot_has_every_kind_and_kinds_take_turns():
    items = plan(shots(), STREAMING, 6, None, seed=0)
    kinds = Counter(item.impairment for item in items)
    assert kinds["none"] == kinds["upscaling"] == 80
    assert kinds["compression"] == 160
    assert kinds["blur"] == kinds["noise"] == kinds["freeze"] == kinds["low_frame_rate"] == 40
    codecs = Counter(item.variant for item in items if item.variant)
    assert codecs["x264"] == pytest.approx(2 * codecs["vp9"], abs=2)
    assert codecs["av1"] == pytest.approx(codecs["vp9"], abs=1)


def test_two_compressions_of_a_shot_differ_in_codec():
    found = defaultdict(list)
    for item in plan(shots(), STREAMING, 6, None, seed=0):
        if item.variant:
            found[item.shot.name].append(item.variant)
    assert all(len(set(variants)) == 2 for variants in found.values())


def test_every_split_has_every_kind():
    for split in ("train", "val", "test"):
        items = [i for i in plan(shots(), STREAMING, 6, None, seed=0) if i.split == split]
        assert {i.impairment for i in items} == {
            *("none", "compression", "upscaling", "blur", "noise", "freeze", "low_frame_rate")
        }


def test_levels_cover_the_whole_range():
    items = plan(shots(), STREAMING, 6, None, seed=0)
    for kind in ("blur", "noise", "upscaling"):
        levels = sorted(i.level for i in items if i.impairment == kind)
        gaps = [b - a for a, b in zip([0.0, *levels], [*levels, 1.0], strict=True)]
        assert max(gaps) < 3 / len(levels)


def test_what_does_not_move_is_not_frozen():
    items = plan(shots(still=30), STREAMING, 6, None, seed=0)
    assert all(i.shot.moves for i in items if i.impairment in ("freeze", "low_frame_rate"))


@pytest.mark.parametrize("count", [2, 3, 9])
def test_any_number_of_clips_per_shot(count):
    items = plan(shots(), STREAMING, count, None, seed=0)
    assert len(items) == 80 * count == len({item.name for item in items})
    assert Counter(i.impairment for i in items)["none"] == 80
    assert len({i.impairment for i in items}) == 7


def test_a_set_for_testing_has_one_split():
    items = plan(shots(), WILD, 6, "test", seed=0)
    assert {item.split for item in items} == {"test"}


def test_another_shot_changes_no_seed_of_the_others():
    few, many = (plan(shots(photos=n), STREAMING, 6, "test", seed=0) for n in (8, 16))
    seeds = {item.name: item.seed for item in many}
    assert all(seeds[item.name] == item.seed for item in few)


def test_a_recipe_depends_on_nothing_but_the_item():
    for item in plan(shots(), STREAMING, 6, None, seed=0):
        assert recipe(item, STREAMING, item.level) == recipe(item, STREAMING, item.level)
