from fractions import Fraction

import pytest

from pipeline.demo.ffmpeg import FfmpegError, encode
from pipeline.demo.impair import CLEAN
from pipeline.demo.vmaf import check_frames, vmaf

FIRST = "trim=end_frame=12"


@pytest.fixture(scope="module")
def reference(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("vmaf") / "reference.mp4"
    encode(folder / "film.mp4", FIRST, CLEAN, path)
    return path


def test_a_copy_scores_high_and_a_blurred_one_low(reference, tmp_path):
    blurred = tmp_path / "blurred.mp4"
    encode(reference, "gblur=sigma=3", CLEAN, blurred)
    assert vmaf(reference, reference, Fraction(12), 12) > 95
    assert vmaf(blurred, reference, Fraction(12), 12) < 40


@pytest.mark.parametrize("suffix", [".flv", ".avi"])
def test_frames_are_compared_by_number(reference, tmp_path, suffix):
    clip = tmp_path / f"clip{suffix}"  # flv rounds times to milliseconds
    encode(reference, "", ("-c:v", "flv", "-q:v", "2"), clip)
    assert vmaf(clip, reference, Fraction(12), 12) > 90


def test_a_lost_frame_is_an_error(reference, tmp_path):
    short = tmp_path / "short.mp4"
    encode(reference, "trim=end_frame=11", CLEAN, short)
    with pytest.raises(FfmpegError, match=r"short.mp4: 11 frames, wanted 12"):
        vmaf(short, reference, Fraction(12), 12)
    with pytest.raises(FfmpegError, match=r"short.mp4: 11 frames, wanted 12"):
        check_frames(short, 12)
