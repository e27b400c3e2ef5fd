from fractions import Fraction

import pytest

from pipeline.demo.ffmpeg import encode, ffmpeg
from pipeline.demo.impair import (
    CLEAN,
    STREAMING,
    WILD,
    Picture,
    blur,
    compression,
    freeze,
    freeze_map,
    low_frame_rate,
    noise,
    none,
    upscaling,
)

PICTURE = Picture(480, 270, Fraction(12), 24)


def first(room: int) -> int:
    return 0


@pytest.mark.parametrize("fps", [Fraction(12), Fraction(24), Fraction(30000, 1001), Fraction(50)])
@pytest.mark.parametrize("hold_s", [0.4, 0.7])
@pytest.mark.parametrize("stop", [first, lambda room: room - 1], ids=["early", "late"])
def test_freeze_keeps_the_first_frame_of_each_second(fps, hold_s, stop):
    frames = round(3 * fps)
    order = freeze_map(frames, fps, hold_s, stop)

    assert len(order) == frames
    for second in range(3):
        begin = next(i for i in range(frames) if i / fps >= second)
        inside = [i for i in range(frames) if second <= i / fps < second + 1]
        held = [i for i in inside if order[i] != i]
        assert order[begin] == begin
        assert order[inside[-1]] == inside[-1]
        assert len(held) == round(hold_s * fps)
        assert len({order[i] for i in held}) == 1
    assert all(shown <= i for i, shown in enumerate(order))


def test_freeze_of_a_last_second_too_short_changes_nothing_there():
    order = freeze_map(15, Fraction(12), 0.5, first)
    assert order[12:] == [12, 13, 14]


def test_freeze_map_by_hand():
    assert freeze_map(10, Fraction(10), 0.4, lambda room: 2) == [0, 1, 2, 2, 2, 2, 2, 7, 8, 9]


def test_the_picture_stands_still_in_the_clip(folder, tmp_path):
    """FFmpeg shows the frames that the map names, in their places."""
    one = freeze(PICTURE, 0.0, lambda room: 3).passes[0]
    encode(folder / "film.mp4", "trim=end_frame=24", CLEAN, tmp_path / "reference.mp4")
    shown, untouched = (
        [
            line.split(",")[-1]
            for line in ffmpeg(
                ["-i", str(tmp_path / "reference.mp4"), "-vf", chain, "-f", "framemd5", "-"]
            )[0].splitlines()
            if not line.startswith("#")
        ]
        for chain in (one.filters, "null")
    )
    order = freeze_map(24, Fraction(12), 0.4, lambda room: 3)
    assert shown == [untouched[i] for i in order]
    assert shown[0] == untouched[0] and shown[12] == untouched[12]
    assert len(set(untouched)) == 24


@pytest.mark.parametrize(("level", "step"), [(0.0, 3), (1.0, 6)])
def test_low_frame_rate_repeats_frames(level, step):
    recipe = low_frame_rate(PICTURE, level)
    order = [int(i) for i in recipe.passes[0].filters.removeprefix("shuffleframes=").split("|")]
    assert order == [i - i % step for i in range(24)]
    assert recipe.strength == f"1 frame of {step}"


def test_compression_runs_from_mild_to_severe():
    for codec in (*STREAMING.codecs, *WILD.codecs):
        assert compression(codec, 0.0).strength == f"{codec.scale} {codec.mild}"
        assert compression(codec, 1.0).strength == f"{codec.scale} {codec.severe}"
        assert compression(codec, 0.5).suffix == codec.suffix


def test_upscaling_goes_down_to_a_quarter_and_back():
    mild, severe = (upscaling(STREAMING, PICTURE, level, 0.0) for level in (0.0, 1.0))
    assert mild.strength.startswith("240x136 ")
    assert severe.strength.startswith("120x68 ")
    assert severe.passes[1].filters == "scale=480:270:flags=bicubic"
    assert "lanczos" in upscaling(WILD, PICTURE, 0.0, 0.0).passes[0].filters


def test_blur_is_the_same_at_every_size():
    large = Picture(960, 540, Fraction(12), 24)
    assert blur(STREAMING, PICTURE, 0.0).strength == "sigma 0.60 px"
    assert blur(STREAMING, large, 0.0).strength == "sigma 1.20 px"
    assert blur(WILD, PICTURE, 0.0).strength == "box 3 px x1"


def test_noise_is_seeded():
    assert noise(0.5, 7) == noise(0.5, 7)
    assert noise(0.5, 7) != noise(0.5, 8)
    assert noise(0.0, 7).strength == "strength 10"


def test_the_wild_codecs_are_not_those_of_training():
    assert not {c.name for c in STREAMING.codecs} & {c.name for c in WILD.codecs}
    assert none(WILD).codec not in {c.name for c in STREAMING.codecs}
