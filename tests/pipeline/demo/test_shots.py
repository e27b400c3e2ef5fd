from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.demo.ffmpeg import ffmpeg
from pipeline.demo.scan import Window
from pipeline.demo.shots import SIZES, choose, reference_command, size_of
from pipeline.demo.sources import DEMO, DEMO_WILD
from pipeline.demo.vmaf import check_frames


def film_windows(count: int, moving: int) -> dict[str, list[list[Window]]]:
    """Return windows of film.mp4 in one stretch; the first `moving` move."""
    return {"film.mp4": [[Window(i, 0, 1.0 * i, 2.0 * (i < moving)) for i in range(count)]]}


def test_no_footage_is_in_both_sets():
    files = [{x.file for x in (*f.films, *f.photos)} for f in (DEMO, DEMO_WILD)]
    assert not files[0] & files[1]


def test_films_have_their_share_and_photos_the_rest(small):
    shots = choose(small, film_windows(20, 20), 10, 1.0, seed=0)
    assert Counter(s.file for s in shots) == {"film.mp4": 5, "photo.png": 5}
    assert len({s.name for s in shots}) == 10


def test_photos_stand_in_for_a_short_film(small):
    shots = choose(small, film_windows(2, 2), 10, 1.0, seed=0)
    assert Counter(s.file for s in shots) == {"film.mp4": 2, "photo.png": 8}


def test_windows_that_move_come_first(small):
    shots = choose(replace(small, films_share=1.0), film_windows(10, 4), 5, 1.0, seed=0)
    assert sum(s.moves for s in shots) == 4


def test_the_same_seed_gives_the_same_shots(small):
    first, second, other = (choose(small, film_windows(20, 20), 8, 1.0, s) for s in (0, 0, 1))
    assert first == second != other


def test_a_scene_is_a_stretch_of_time(small):
    film = replace(small.films[0], scene_s=4.0)
    footage = replace(small, films=(film,), films_share=1.0)
    shots = choose(footage, film_windows(12, 12), 12, 1.0, seed=0)
    assert Counter(s.scene for s in shots) == {"film_00": 4, "film_01": 4, "film_02": 4}


def test_shots_of_two_stretches_have_their_own_names(small):
    stretch = film_windows(3, 3)["film.mp4"][0]
    shots = choose(replace(small, films_share=1.0), {"film.mp4": [stretch, stretch]}, 6, 1.0, 0)
    assert len({s.name for s in shots}) == 6
    assert len({s.scene for s in shots}) == 6


def test_sizes_are_mixed_and_never_larger_than_the_footage(small):
    shot = choose(small, film_windows(1, 1), 1, 1.0, seed=0)[0]
    sizes = Counter(size_of(replace(shot, largest_px=1280), i).width for i in range(100))
    assert 3 <= sizes[1280] <= 7
    assert 20 <= sizes[640] <= 30
    assert {size_of(shot, i).width for i in range(100)} == {480}


@pytest.mark.parametrize("kind", ["film", "photo"])
def test_a_reference_has_its_size_and_every_frame(small, folder, tmp_path, kind):
    shots = choose(small, film_windows(3, 3), 2, 1.0, seed=0)
    shot = next(s for s in shots if s.file.startswith(kind))
    picture = size_of(shot, 0)
    path = tmp_path / "reference.mp4"
    command = reference_command(shot, picture, folder)
    ffmpeg([*command, "-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", str(path)])
    check_frames(path, picture.frames)
    assert (
        f"{picture.width}x{SIZES[picture.width]}"
        in ffmpeg(["-v", "info", "-i", str(path), "-frames:v", "1", "-f", "null", "-"])[1]
    )


def crcs(command: list[str]) -> list[str]:
    out, _ = ffmpeg([*command, "-f", "framecrc", "-"])
    return [line.split(",")[-1] for line in out.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("seek_from_s", [0.0, 30.0], ids=["by the index", "from the start"])
def test_a_reference_begins_with_its_first_frame(small, folder, monkeypatch, seek_from_s):
    monkeypatch.setattr("pipeline.demo.shots.SEEK_FROM_S", seek_from_s)
    window = Window(0, 0, float(Fraction(7, 12)), 2.0)
    footage = replace(small, films_share=1.0)
    shot = choose(footage, {"film.mp4": [[window]]}, 1, 1.0, seed=0)[0]
    found = crcs(reference_command(shot, size_of(shot, 0), folder))
    everything = replace(shot, start_s=0.0, frames=24)
    assert found == crcs(reference_command(everything, size_of(everything, 0), folder))[7:19]


def test_a_camera_moves_over_a_photograph_in_every_frame(small, folder):
    shots = choose(replace(small, films_share=0.0), film_windows(0, 0), 7, 1.0, seed=0)
    assert [s.moves for s in shots] == [True] * 6 + [False]
    for shot in shots[:2]:
        assert len(set(crcs(reference_command(shot, size_of(shot, 0), Path(folder))))) == 30
