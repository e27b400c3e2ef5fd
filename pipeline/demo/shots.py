"""Shots: stretches of film inside one shot, and camera paths over photographs."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random

from pipeline.demo.impair import Picture
from pipeline.demo.scan import Window
from pipeline.demo.sources import Film, Footage, Photo

MOVES = 0.5  # mean change of luma (0-255) from frame to frame, above which a shot moves
PHOTO_FPS = Fraction(30)
STILL_EVERY = 7  # one camera path in seven drifts by less than a pixel a frame
SEEK_FROM_S = 30.0  # before it, decoded from the first frame: some containers have no index
SIZES = {480: 270, 640: 360, 1280: 720}
SHARES = ((0.05, 1280), (0.3, 640), (1.0, 480))  # cumulated
GOLDEN = 0.618033988749895


@dataclass(frozen=True)
class Shot:
    """A clean piece of footage.

    Attributes:
        name: unique in its data set.
        scene: shots of one scene are never in two splits.
        file: in data/footage.
        moves: whether somebody sees it move.
        start_s: where it begins in the file; None for a photograph.
        path: the camera's filter over a photograph; empty for a film.
        largest_px: see Film and Photo.
    """

    name: str
    scene: str
    file: str
    moves: bool
    start_s: float | None
    path: str
    largest_px: int
    fps: Fraction
    frames: int


def choose(
    footage: Footage, found: dict[str, list[list[Window]]], count: int, clip_s: float, seed: int
) -> list[Shot]:
    """Return `count` shots: the films' share as far as they have windows, photographs the rest.

    Windows that move come first, then the first of each shot, so that shots differ.

    Args:
        found: per film's file and stretch, the windows.
    """
    of_films = {
        film.file: _of_film(film, found[film.file], clip_s, Random(f"{seed}/{film.file}"))
        for film in footage.films
    }
    wanted = round(count * footage.films_share)
    films = _in_turn(list(of_films.values()), wanted)
    photos = _of_photos(footage.photos, count - len(films), clip_s, seed)
    return sorted(films + photos, key=lambda shot: shot.name)


def size_of(shot: Shot, place: int) -> Picture:
    """Return the size at which a shot is shown; `place` runs over the shots of a data set.

    Multiples of the golden ratio fall evenly into 0..1, in every run of shots.
    """
    draw = place * GOLDEN % 1
    drawn = next(width for share, width in SHARES if draw < share)
    width = max(w for w in SIZES if w <= min(drawn, shot.largest_px))
    return Picture(width, SIZES[width], shot.fps, shot.frames)


def reference_command(shot: Shot, picture: Picture, folder: Path) -> list[str]:
    """Return FFmpeg's arguments, up to the codec, that make the clean shot at its size."""
    file = str(folder / shot.file)
    size = f"{picture.width}:{picture.height}"
    cover = f"scale={size}:force_original_aspect_ratio=increase:flags=lanczos+accurate_rnd"
    if shot.start_s is not None:
        start = f"{max(0.0, shot.start_s - 0.5 / float(shot.fps)):.6f}"
        filters = f"{cover},crop={size}"
        if shot.start_s < SEEK_FROM_S:
            source, filters = ["-i", file], f"trim=start={start},{filters}"
        else:
            source = ["-ss", start, "-i", file]
    else:
        source = ["-loop", "1", "-framerate", str(shot.fps), "-i", file]
        filters = shot.path.format(width=picture.width, height=picture.height, cover=cover)
    filters += f",setsar=1,settb=1/({shot.fps}),setpts=N"
    frames = ["-frames:v", str(shot.frames), "-fps_mode", "passthrough"]
    return [*source, "-map", "0:v:0", "-vf", filters, *frames]


def _of_film(
    film: Film, stretches: Sequence[Sequence[Window]], clip_s: float, rng: Random
) -> list[Shot]:
    """Return a film's windows as shots, the best first."""
    ranked: list[tuple[tuple[bool, int, float], Shot]] = []
    stem = film.file.partition(".")[0]
    begin_s = film.stretches_s[0][0]
    number = 0
    for windows in stretches:
        for window in windows:
            scene = f"{stem}_{number + window.shot:03d}"
            if film.scene_s is not None:
                scene = f"{stem}_{int((window.start_s - begin_s) // film.scene_s):02d}"
            moves = window.change > MOVES
            shot = Shot(
                name=f"{stem}_{number + window.shot:03d}_{window.place}",
                scene=scene,
                file=film.file,
                moves=moves,
                start_s=window.start_s,
                path="",
                largest_px=film.largest_px,
                fps=film.fps,
                frames=round(clip_s * film.fps),
            )
            ranked.append(((not moves, window.place, rng.random()), shot))
        number += 1 + max((w.shot for w in windows), default=0)
    return [shot for _, shot in sorted(ranked, key=lambda pair: pair[0])]


def _in_turn(films: list[list[Shot]], count: int) -> list[Shot]:
    """Return up to `count` shots, one of each film at a time."""
    longest = max((len(film) for film in films), default=0)
    turns = [film[i] for i in range(longest) for film in films if i < len(film)]
    return turns[:count]


def _of_photos(photos: Sequence[Photo], count: int, clip_s: float, seed: int) -> list[Shot]:
    """Return `count` camera paths, over each photograph in turn."""
    shots = []
    for i in range(count):
        photo = photos[i % len(photos)]
        stem = photo.file.partition(".")[0]
        frames = round(clip_s * PHOTO_FPS)
        still = i % STILL_EVERY == STILL_EVERY - 1
        rng = Random(f"{seed}/{photo.file}/{i}")
        shots.append(
            Shot(
                name=f"{stem}_{i // len(photos):03d}",
                scene=stem,
                file=photo.file,
                moves=not still,
                start_s=None,
                path=_path(rng, "still" if still else ("pan", "zoom")[i % 2], frames),
                largest_px=photo.largest_px,
                fps=PHOTO_FPS,
                frames=frames,
            )
        )
    return shots


def _path(rng: Random, kind: str, frames: int) -> str:
    """Return the filter of a camera path, with the size and the cover left open.

    The camera sees a part of the photograph (its width is 0.8 for a pan); the part moves in
    steps below a pixel, which the filter zoompan cannot do.
    """
    t = f"(on/{frames})"
    if kind == "zoom":
        near, far = 0.72, 0.98
        ends = (near, far) if rng.random() < 0.5 else (far, near)
        seen = f"({ends[0]}+({ends[1] - ends[0]:.4f})*{t})"
        left = top = f"((1-{seen})/2)"
    else:
        seen, room = "0.8", 0.2
        reach = room if kind == "pan" else 0.004  # of the width; 0.004 is some two pixels
        x0 = rng.choice([0.0, 1.0])
        direction = 1 - 2 * x0
        tilt = rng.uniform(-1, 1) * reach
        left = f"({x0 * room:.4f}+({direction * reach:.4f})*{t})"
        top = f"({room / 2 - tilt / 2:.4f}+({tilt:.4f})*{t})"
    return camera(left, top, seen, enlarge=1.25)


def camera(left: str, top: str, seen: str, enlarge: float) -> str:
    """Return the filter that shows a moving part of a picture, with size and cover left open.

    Args:
        left: edge of the part that is seen, as a share of the width; a formula of the frame `on`.
        top: likewise, of the height.
        seen: its width, as a share of the width, likewise.
        enlarge: how much larger than it is shown the whole picture is made; 1 / the smallest part
            that is seen keeps the picture's sharpness.
    """
    corners = ":".join(
        f"x{i}='W*({left}+{dx}*{seen})':y{i}='H*({top}+{dy}*{seen})'"
        for i, (dx, dy) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)])
    )
    large = f"trunc({{width}}*{enlarge:g}/2)*2:trunc({{height}}*{enlarge:g}/2)*2"
    return (
        f"scale={large}:force_original_aspect_ratio=increase:out_range=tv:flags=lanczos,"
        f"crop={large},format=yuv444p,"
        f"perspective={corners}:interpolation=cubic:sense=source:eval=frame,"
        f"scale={{width}}:{{height}}:flags=lanczos+accurate_rnd,format=yuv420p"
    )
