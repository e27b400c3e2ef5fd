import pytest

from pipeline.demo.ffmpeg import FfmpegError, encode, ffmpeg, identity
from pipeline.demo.impair import STREAMING, WILD, compression
from pipeline.packages import sha256


def test_a_failure_shows_command_and_last_lines(tmp_path):
    with pytest.raises(FfmpegError, match=r"exit status .* -i absent.mp4[\s\S]*No such file"):
        ffmpeg(["-i", "absent.mp4", "-f", "null", "-"])


def test_a_command_that_hangs_is_ended():
    with pytest.raises(FfmpegError, match=r"not done after 0\.2 s"):
        ffmpeg(["-re", "-f", "lavfi", "-i", "color", "-f", "null", "-"], timeout_s=0.2)


def test_a_program_that_is_absent_is_said_so(monkeypatch):
    monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", lambda: "/nowhere/ffmpeg")
    with pytest.raises(FfmpegError, match="/nowhere/ffmpeg cannot be started"):
        ffmpeg(["-version"])


def test_identity_is_short_and_stable():
    assert len(identity()) == 16
    assert identity() == identity()


@pytest.mark.parametrize("codec", [*STREAMING.codecs, *WILD.codecs], ids=lambda codec: codec.name)
def test_every_codec_gives_the_same_bytes_twice(folder, tmp_path, codec):
    arguments = compression(codec, 0.5).passes[0].codec
    short = "trim=end_frame=8,scale=240:-2"
    first, second = (tmp_path / f"{n}{codec.suffix}" for n in (1, 2))
    for target in (first, second):
        encode(folder / "film.mp4", f"{short},fps=24", arguments, target)
    assert sha256(first) == sha256(second)
