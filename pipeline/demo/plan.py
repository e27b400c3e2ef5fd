"""What the demo is made of: split, impairment and strength of every clip, decided beforehand."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random

from pipeline.demo import impair
from pipeline.demo.impair import Ladder, Picture, Recipe
from pipeline.demo.shots import GOLDEN, Shot, size_of

PARTS = {"test": 0.2, "val": 0.1}  # the rest is for training
SLOTS = ("time", "compression", "pixels", "upscaling", "compression")  # after the clean clip


@dataclass(frozen=True)
class Item:
    """A clip to make.

    Attributes:
        name: without suffix, unique in its data set.
        impairment: as in labels.csv.
        variant: which codec, for compression; otherwise empty.
        level: how strong, 0-1.
        seed: of whatever else is drawn for this clip.
    """

    name: str
    shot: Shot
    picture: Picture
    split: str
    impairment: str
    variant: str
    level: float
    seed: int


def split_scenes(shots: Sequence[Shot], seed: int) -> dict[str, str]:
    """Return the split of each scene: about 70 % of the shots train, 10 % val, 20 % test.

    Films and photographs are dealt out separately, so each split has both.
    """
    splits: dict[str, str] = {}
    for is_photo in (False, True):
        counts = Counter(s.scene for s in shots if (s.start_s is None) == is_photo)
        scenes = sorted(counts)
        Random(f"{seed}/split/{is_photo}").shuffle(scenes)
        left = {part: share * counts.total() for part, share in PARTS.items()}
        for scene in scenes:
            # a scene goes where at least half of it is still wanted
            part = next((p for p in left if left[p] >= counts[scene] / 2), "train")
            splits[scene] = part
            if part in left:
                left[part] -= counts[scene]
    return splits


def plan(
    shots: Sequence[Shot], ladder: Ladder, clips_per_shot: int, split: str | None, seed: int
) -> list[Item]:
    """Return every clip of a data set, sorted by name.

    Codecs and impairments that share a slot take turns, and levels are multiples of the golden
    ratio, which fall evenly into 0..1. Both run through split after split, so each split has
    its share of every kind and of every strength.

    Args:
        split: of all shots; None: by scene.
    """
    splits = split_scenes(shots, seed) if split is None else {s.scene: split for s in shots}
    order = sorted(shots, key=lambda shot: shot.name)
    Random(f"{seed}/order").shuffle(order)
    order.sort(key=lambda shot: splits[shot.scene])
    levels = _levels(seed)
    turns: dict[str, int] = defaultdict(int)
    items = []
    for place, shot in enumerate(order):
        slots = [SLOTS[(place + i) % len(SLOTS)] for i in range(clips_per_shot - 1)]
        for number, slot in enumerate(["none", *slots]):
            impairment, variant = _turn(slot, shot, ladder, turns)
            name = f"{shot.name}_{number}"
            items.append(
                Item(
                    name=name,
                    shot=shot,
                    picture=size_of(shot, place),
                    split=splits[shot.scene],
                    impairment=impairment,
                    variant=variant,
                    level=levels(impairment + variant),
                    seed=Random(f"{seed}/{name}").randrange(1 << 30),
                )
            )
    return sorted(items, key=lambda item: item.name)


def _turn(slot: str, shot: Shot, ladder: Ladder, turns: dict[str, int]) -> tuple[str, str]:
    """Return impairment and variant of the next clip of a slot."""
    if slot == "time" and not shot.moves:
        slot = "compression"  # nobody can see a still picture stand still
    if slot in ("none", "upscaling"):
        return slot, ""
    choices: Iterable[str] = {
        "time": ladder.times,
        "pixels": ladder.pixels,
        "compression": [codec.name for codec in ladder.codecs],
    }[slot]
    names = list(choices)
    chosen = names[turns[slot] % len(names)]
    turns[slot] += 1
    return ("compression", chosen) if slot == "compression" else (chosen, "")


def _levels(seed: int) -> Callable[[str], float]:
    """Return a function that gives the next level of a kind of clip."""
    start: dict[str, float] = {}

    def next_level(kind: str) -> float:
        before = start.get(kind, Random(f"{seed}/level/{kind}").random())
        start[kind] = (before + GOLDEN) % 1
        return round(start[kind], 4)

    return next_level


def recipe(item: Item, ladder: Ladder, level: float) -> Recipe:
    """Return how a clip is made at a level, which may differ from the planned one."""
    rng = Random(item.seed)
    match item.impairment:
        case "none":
            return impair.none(ladder)
        case "compression":
            codec = next(c for c in ladder.codecs if c.name == item.variant)
            return impair.compression(codec, level)
        case "upscaling":
            return impair.upscaling(ladder, item.picture, level, rng.random())
        case "blur":
            return impair.blur(ladder, item.picture, level)
        case "noise":
            return impair.noise(level, item.seed)
        case "freeze":
            return impair.freeze(item.picture, level, rng.randrange)
        case "low_frame_rate":
            return impair.low_frame_rate(item.picture, level)
    raise ValueError(f"{item.name}: no impairment {item.impairment!r}")
