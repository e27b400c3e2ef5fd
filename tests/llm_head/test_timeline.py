from pathlib import Path

import numpy as np
import pytest

from llm_head.data import choose
from llm_head.projector import TokenShape
from llm_head.readout import ReadOut
from llm_head.timeline import Second, TimelineError, _mixture, timeline, worst
from tests.llm_head.test_readout import SHAPE, make_model, make_video


@pytest.fixture
def readout(tmp_path: Path) -> ReadOut:
    return ReadOut(*make_model(tmp_path), level_std=12)


def tokens(seconds: int) -> dict[str, np.ndarray]:
    video = make_video(3, seconds)
    return {"spatial": video.spatial, "temporal": video.temporal}


def test_a_second_has_the_score_of_its_own_tokens(readout: ReadOut) -> None:
    parts = tokens(5)
    found = timeline(readout, parts, SHAPE, [0.0, 1.0, 2.0, 3.0, 4.0])
    assert [second.start_s for second in found] == [0, 1, 2, 3, 4]
    for index, second in enumerate(found):
        window = {kind: part[index : index + 1] for kind, part in parts.items()}
        (alone,) = readout.answers([choose(window, SHAPE, "v")])
        assert second.score == pytest.approx(alone.score, abs=1e-3)
        assert second.score_std == pytest.approx(alone.score_std, abs=1e-3)
    assert len({second.score for second in found}) == 5
    assert found == timeline(readout, parts, SHAPE, range(5))


def test_a_change_of_one_second_changes_only_its_windows(readout: ReadOut) -> None:
    parts = tokens(6)
    before = timeline(readout, parts, SHAPE, range(6), window_s=2)
    parts["temporal"][3] += 5
    after = timeline(readout, parts, SHAPE, range(6), window_s=2)
    changed = [a != b for a, b in zip(before, after, strict=True)]
    assert changed == [False, False, True, True, True, False]


@pytest.mark.parametrize(("window", "stride", "count"), [(2, 1, 5), (2, 2, 5), (2, 1, 1)])
def test_windows_cover_every_second(readout: ReadOut, window: int, stride: int, count: int) -> None:
    found = timeline(readout, tokens(count), SHAPE, range(count), window, stride)
    assert len(found) == count
    assert all(0 <= second.score <= 100 for second in found)


def test_more_windows_than_a_pass_holds(readout: ReadOut) -> None:
    parts = tokens(19)
    assert len(timeline(readout, parts, SHAPE, range(19))) == 19


@pytest.mark.parametrize(("window", "stride"), [(0, 1), (1, 2), (3, 1), (2, 0)])
def test_windows_that_do_not_fit_are_refused(readout: ReadOut, window: int, stride: int) -> None:
    with pytest.raises(TimelineError, match="<= 2 s"):
        timeline(readout, tokens(5), SHAPE, range(5), window, stride)


def test_a_head_that_averages_time_has_timelines_too(tmp_path: Path) -> None:
    model, chat = make_model(tmp_path)
    shape = TokenShape("both", "mean", 2, SHAPE.spatial, SHAPE.temporal)
    model.projector.shape = shape
    found = timeline(ReadOut(model, chat, 12), tokens(4), shape, range(4), window_s=2)
    assert len(found) == 4


def seconds(*scores: float) -> list[Second]:
    return [Second(float(i), score, 5.0, "fair") for i, score in enumerate(scores)]


def test_the_worst_stretch() -> None:
    assert worst(seconds(70, 71, 69)) is None
    assert worst(seconds(70)) is None
    assert worst(seconds(70, 71, 30, 31, 30, 29)) == range(2, 6)  # more than half are low
    assert worst(seconds(70, 71, 68, 67, 68, 67)) is None  # a fall, but none to speak of
    assert worst(seconds(70, 30, 30, 30, 30, 30, 70)) == range(1, 6)  # and ends again
    assert worst(seconds(28, 70, 70, 31, 31, 31, 31)) == range(3, 7)  # not the one before it
    assert worst(seconds(75.5, 70, 71, 72, 70, 71, 72)) is None  # a fall of less than 5 on average
    assert worst(seconds(30, 30, 30, 30, 70, 72)) == range(0, 4)
    shallow = [70.0] * 300 + [64.0] * 300
    assert worst(seconds(*shallow)) == range(300, 600)
    assert worst(seconds(*shallow[:100], 25, *shallow[101:])) == range(100, 101)  # deep and short
    assert worst(seconds(20, 25, 70, 71, 72)) == range(0, 2)
    assert worst(seconds(70, 71, 72, 20)) == range(3, 4)
    assert worst(seconds(70, 20, 70, 30, 70)) == range(1, 2)  # not what lies between


def test_a_drop_that_lasts_is_found_whole_whatever_the_noise() -> None:
    rng = np.random.default_rng(0)
    for at in range(1, 8):
        noisy = np.where(np.arange(8) < at, 70, 30) + rng.normal(0, 5, 8)
        assert worst(seconds(*noisy)) == range(at, 8)


def test_windows_that_agree_to_the_last_digit_have_no_deviation() -> None:
    assert _mixture([(70.1, 0.0)] * 3)[1] == pytest.approx(0, abs=1e-5)
