"""Which footage each of the demo's data sets is made of. No footage is in both."""

from dataclasses import dataclass
from fractions import Fraction

from pipeline.demo.impair import STREAMING, WILD, Ladder


@dataclass(frozen=True)
class Film:
    """A video.

    Attributes:
        file: its name in data/footage.
        fps: its frame rate; it is constant.
        stretches_s: from and to, without titles and credits. Each is searched for shots by itself.
        scene_s: seconds of film that count as one scene: shots near each other share a place.
            None: each shot is a scene.
        largest_px: width up to which scaling the film down gives a clean reference.
    """

    file: str
    fps: Fraction
    stretches_s: tuple[tuple[float, float], ...]
    scene_s: float | None
    largest_px: int


@dataclass(frozen=True)
class Photo:
    """A photograph, over which a camera path is laid. One photograph is one scene.

    Attributes:
        file: its name in data/footage.
        largest_px: width up to which the path shows it without visible enlargement.
    """

    file: str
    largest_px: int = 480


@dataclass(frozen=True)
class Footage:
    """The footage of one data set.

    Attributes:
        films: videos.
        photos: photographs.
        films_share: part of the shots that is taken from the films, as far as they have windows.
        ladder: the impairments.
        split: None: by scene into train, val and test.
    """

    films: tuple[Film, ...]
    photos: tuple[Photo, ...]
    films_share: float
    ladder: Ladder
    split: str | None


DEMO = Footage(
    films=(
        Film(
            "bbb.mp4",
            Fraction(24),
            stretches_s=((33.0, 260.0), (260.0, 487.0)),  # two: they are scanned side by side
            scene_s=28.0,
            largest_px=1280,
        ),
    ),
    photos=(
        Photo("astronaut.png"),
        Photo("cheetah.jpg"),
        Photo("chelsea.png"),
        Photo("china.jpg"),
        Photo("coffee.png"),
        Photo("desk.jpg", largest_px=640),
        Photo("flower.jpg"),
        Photo("rocket.jpg"),
    ),
    films_share=0.8,
    ladder=STREAMING,
    split=None,
)
DEMO_WILD = Footage(
    films=(
        Film("bikes.mp4", Fraction(25), ((0.0, 10.0),), scene_s=None, largest_px=480),
        Film("city.mpg", Fraction(25), ((0.0, 7.6),), scene_s=None, largest_px=640),
        # almost black, and seconds that hardly differ: no more than two windows of it
        Film("world.mp4", Fraction(30), ((0.0, 6.0),), scene_s=None, largest_px=480),
    ),
    photos=(
        Photo("motorcycle.png"),
        Photo("ruin.jpg", largest_px=640),
        Photo("tower.jpg"),
    ),
    films_share=1.0,
    ladder=WILD,
    split="test",
)
