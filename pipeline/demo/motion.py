"""A data set of known motion: camera paths over photographs and over single pictures of the film.

Every picture is filmed in each way of `CAMERA`, so what is shown says nothing about how the camera
moves. Half of the moving clips freeze. No picture of the film or photograph is in two splits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random

from pipeline.demo.impair import Picture
from pipeline.demo.shots import camera
from pipeline.demo.sources import DEMO, DEMO_WILD

PICTURE = Picture(320, 180, Fraction(30), 60)  # 2 s
CAMERA = {  # left, top: which way the part that is seen goes; nearer: whether it shrinks
    "left": (-1, 0, 0),
    "right": (1, 0, 0),
    "up": (0, -1, 0),
    "down": (0, 1, 0),
    "in": (0, 0, 1),
    "out": (0, 0, -1),
    "still": (0, 0, 0),
}
SEEN = 0.6  # share of the width that is seen, the smallest for a zoom
REACH = (0.2, 0.4)  # of a pan, in widths or heights; of a zoom, from 0.6 to 0.8 or up to 1.0
EVERY_S = 9.0  # from one picture of the film to the next
SCENE_S = 27.0  # three of them are one scene
FILM, FROM_S, TO_S = "bbb.mp4", 37.0, 300.0
# the same shot as at 73 s, which is of another scene
LEFT_OUT = frozenset({100.0})
SHARES = {"test": 0.3, "val": 0.1}  # of the scenes of either kind; the rest trains


@dataclass(frozen=True)
class Still:
    """A picture that a camera can move over.

    Attributes:
        file: in data/footage.
        scene: pictures of one scene are never in two splits.
        at_s: where in the film it is; None: a photograph.
    """

    file: str
    scene: str
    at_s: float | None

    @property
    def name(self) -> str:
        """Return a name that no other picture has."""
        stem = self.file.partition(".")[0]
        return stem if self.at_s is None else f"{stem}_{self.at_s:03.0f}"


@dataclass(frozen=True)
class Clip:
    """A clip to make.

    Attributes:
        move: one of CAMERA.
        filters: FFmpeg's, from the picture to the frames.
        frozen: whether the picture stands still for a part of one second, then jumps.
        order: of frame n, which frame of the path is shown.
    """

    still: Still
    split: str
    move: str
    filters: str
    frozen: bool
    order: tuple[int, ...]

    @property
    def name(self) -> str:
        """Return the name of its file, without suffix."""
        return f"{self.still.name}_{self.move}"


def stills(scenes: int) -> list[Still]:
    """Return the photographs and the pictures of the film, of so many scenes of either at most."""
    photos = sorted(photo.file for photo in (*DEMO.photos, *DEMO_WILD.photos))
    found = [Still(file, file.partition(".")[0], None) for file in photos[:scenes]]
    for number in range(int((TO_S - FROM_S) / EVERY_S)):
        at_s = FROM_S + number * EVERY_S
        scene = int((at_s - FROM_S) // SCENE_S)
        if at_s not in LEFT_OUT and scene < scenes:
            found.append(Still(FILM, f"{FILM.partition('.')[0]}_{scene:02d}", at_s))
    return found


def plan(pictures: Sequence[Still], seed: int) -> list[Clip]:
    """Return every clip: each picture filmed in each way."""
    splits = _splits(pictures, seed)
    clips = []
    for still in pictures:
        moving = [move for move in CAMERA if move != "still"]
        frozen = set(Random(f"{seed}/{still.name}/freeze").sample(moving, len(moving) // 2))
        for move in CAMERA:
            rng = Random(f"{seed}/{still.name}/{move}")
            filters = path(move, rng)
            order = _freeze(rng) if move in frozen else list(range(PICTURE.frames))
            clips.append(
                Clip(still, splits[still.scene], move, filters, move in frozen, tuple(order))
            )
    return sorted(clips, key=lambda clip: clip.name)


def path(move: str, rng: Random) -> str:
    """Return the filter of a camera that moves in one way, from a place and at a speed drawn."""
    across, down, nearer = CAMERA[move]
    reach, t = rng.uniform(*REACH), f"(on/{PICTURE.frames - 1})"
    if nearer:
        wide, near = SEEN + reach, SEEN
        begin, end = (wide, near) if nearer > 0 else (near, wide)
        seen = f"({begin:.4f}+({end - begin:.4f})*{t})"
        left = top = f"((1-{seen})/2)"
        return _sized(camera(left, top, seen, 1 / SEEN))
    starts = []
    for direction in (across, down):
        room = 1 - SEEN - abs(direction) * reach
        start = rng.uniform(0, room) + (reach if direction < 0 else 0)
        starts.append(f"({start:.4f}+({direction * reach:.4f})*{t})")
    left, top = starts
    return _sized(camera(left, top, f"{SEEN}", 1 / SEEN))


def _sized(filters: str) -> str:
    return filters.format(width=PICTURE.width, height=PICTURE.height)


def _freeze(rng: Random) -> list[int]:
    """Return an order of frames that stands still for 0.4 to 0.7 s within one of the seconds."""
    per_second = int(PICTURE.fps)
    held = round(rng.uniform(0.4, 0.7) * per_second)
    begin = rng.randrange(PICTURE.frames // per_second) * per_second
    # neither the first frame, which is the key frame, nor the last: each second jumps back
    stop = begin + 1 + rng.randrange(per_second - held - 2)
    return [stop if stop < i <= stop + held else i for i in range(PICTURE.frames)]


def _splits(pictures: Sequence[Still], seed: int) -> dict[str, str]:
    """Return the split of each scene; photographs and the film are dealt out separately."""
    splits: dict[str, str] = {}
    for is_photo in (False, True):
        scenes = sorted({p.scene for p in pictures if (p.at_s is None) == is_photo})
        Random(f"{seed}/split/{is_photo}").shuffle(scenes)
        for split, share in SHARES.items():
            taken = max(1, round(share * len(scenes)))
            splits |= dict.fromkeys(scenes[:taken], split)
            scenes = scenes[taken:]
        splits |= dict.fromkeys(scenes, "train")
    return splits
