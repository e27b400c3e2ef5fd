from itertools import pairwise

import pytest

from pipeline.demo.ffmpeg import FfmpegError
from pipeline.demo.scan import Frame, scan, windows
from pipeline.demo.shots import MOVES
from tests.pipeline.demo.conftest import CUTS_S, FPS


def still(count: int, cuts: tuple[int, ...] = ()) -> list[Frame]:
    return [Frame(i / 10, 0.9 if i in cuts else 0.0, 1.0 + i) for i in range(count)]


def test_windows_lie_between_the_cuts(folder):
    frames = scan(folder / "film.mp4", 0.0, 7.5)
    found = windows(frames, FPS)

    assert len(frames) == round(7.5 * FPS)
    assert {w.shot for w in found} == {0, 1, 2}
    for window in found:
        for cut in CUTS_S:
            assert not window.start_s <= cut < window.start_s + 1.0
    assert all((w.change > MOVES) == (w.shot < 2) for w in found)


def test_times_count_from_the_start_of_the_file(folder):
    frames = scan(folder / "film.mp4", 3.0, 4.0)
    assert frames[0].time_s == pytest.approx(3.0)
    assert len(frames) == FPS


def test_an_empty_stretch_is_an_error(folder):
    with pytest.raises(FfmpegError, match="no frame between 100"):
        scan(folder / "film.mp4", 100.0, 101.0)


def test_windows_do_not_touch_cuts_or_each_other():
    found = windows(still(40, cuts=(17,)), 5)
    starts = [round(w.start_s * 10) for w in found]
    assert [(w.shot, w.place) for w in found] == [
        (0, 0),
        (0, 1),
        (0, 2),
        *((1, i) for i in range(4)),
    ]
    assert all(b - a >= 5 for a, b in pairwise(starts))
    assert starts[0] >= 1 and starts[2] + 5 <= 16 and starts[3] >= 18 and starts[-1] + 5 <= 39


def test_a_shot_just_too_short_has_no_window():
    assert windows(still(11), 10) == []
    assert [w.start_s for w in windows(still(12), 10)] == [0.1]


def test_change_is_the_median_without_the_jump_into_the_window():
    assert windows(still(7), 5)[0].change == 5.0  # frames 2 to 5 changed by 3, 4, 5, 6
