from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline import video
from pipeline.colour import to_rgb
from pipeline.frames import timed_frames
from pipeline.video import Frame, VideoError, chunks, first_frame, probe
from tests.clips import number_of, numbered_frame, write_video
from tests.samples import ffmpeg

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize("fps", [12, 24, NTSC, 60])
def test_key_frame_is_the_first_frame_of_each_second(
    numbered_video: Callable[..., Path], fps: Fraction
) -> None:
    path = numbered_video("a.mp4", fps, 3)
    found = [number_of(chunk.key_frame) for chunk in chunks(path, 0)]
    # the first frame whose time stamp is not before the second
    assert found == [-(-second * Fraction(fps) // 1) for second in range(3)]


@pytest.mark.parametrize("fps", [12, 24, NTSC, 60])
def test_clip_is_what_is_on_screen_at_32_even_instants(
    numbered_video: Callable[..., Path], fps: Fraction
) -> None:
    path = numbered_video("a.mp4", fps, 2)
    for second, chunk in enumerate(chunks(path, 32)):
        wanted = [int((second + Fraction(i, 32)) * Fraction(fps)) for i in range(32)]
        assert [number_of(frame) for frame in chunk.clip] == wanted


def test_variable_frame_rate_with_a_gap_over_two_seconds(tmp_path: Path) -> None:
    times = [Fraction(t) for t in ("0", "0.25", "0.5", "0.9", "3.2", "3.6")]
    path = write_video(tmp_path / "v.mkv", [numbered_frame(n) for n in range(6)], times)
    found = list(chunks(path, 4))
    assert [number_of(chunk.key_frame) for chunk in found] == [0, 3, 3, 4]
    assert [[number_of(f) for f in chunk.clip] for chunk in found] == [
        [0, 1, 2, 2],
        [3, 3, 3, 3],
        [3, 3, 3, 3],
        [3, 4, 4, 5],
    ]
    assert [chunk.start_s for chunk in found] == [0, 1, 2, 3]


@pytest.mark.parametrize(("seconds", "count"), [(0.4, 1), (1.0, 1), (2.4, 2), (2.6, 3), (3.0, 3)])
def test_short_last_piece(numbered_video: Callable[..., Path], seconds: float, count: int) -> None:
    assert len(list(chunks(numbered_video("a.mp4", 20, seconds), 8))) == count


def test_short_last_chunk_spreads_its_instants_over_what_there_is(
    numbered_video: Callable[..., Path],
) -> None:
    *_, last = chunks(numbered_video("a.mp4", 20, 1.6), 8)
    numbers = [number_of(frame) for frame in last.clip]
    assert numbers[0] == 20
    assert numbers == sorted(numbers)
    assert numbers[-1] >= 28  # nearly the last of frames 20 to 31


def test_no_clip_is_made_where_none_is_asked_for(numbered_video: Callable[..., Path]) -> None:
    assert next(iter(chunks(numbered_video("a.mp4", 12, 1), 0))).clip.shape == (0, 64, 192, 3)


def test_probe(numbered_video: Callable[..., Path]) -> None:
    facts = probe(numbered_video("a.mp4", 24, 2))
    assert (facts.width, facts.height, facts.fps, facts.codec) == (192, 64, 24, "h264")
    assert facts.duration_s == pytest.approx(2, abs=0.01)


def test_colours_of_an_untagged_small_video_are_bt601(tmp_path: Path) -> None:
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 200
    path = write_video(tmp_path / "red.mp4", [red] * 3, [Fraction(n, 10) for n in range(3)])
    assert np.abs(first_frame(path).astype(int) - red).max() <= 4


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.mp4", b"", "empty"),
        ("text.mp4", b"not a video at all\n" * 50, "not a video"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\nsecret.mp4\n", "not a video"),
        ("script.mp4", b"ffconcat version 1.0\nfile secret.mp4\n", "not a video"),
    ],
)
def test_what_is_no_video_is_refused(
    tmp_path: Path, moving_video: Callable[..., Path], name: str, content: bytes, reason: str
) -> None:
    moving_video("secret.mp4")  # a playlist that names it must not open it
    path = tmp_path / name
    path.write_bytes(content)
    for read in (probe, first_frame, lambda p: list(chunks(p, 4))):
        with pytest.raises(VideoError, match=reason):
            read(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no such file"):
        probe(tmp_path / "gone.mp4")


def test_names_that_look_like_protocols_are_names(
    tmp_path: Path, moving_video: Callable[..., Path]
) -> None:
    path = moving_video("plain.mp4").rename(tmp_path / "concat:a|b,-x 100%d.mp4")
    assert probe(path).width == 64


def test_frame_threads_would_give_the_same_frames_of_a_sound_file(
    numbered_video: Callable[..., Path],
) -> None:
    path = numbered_video("a.mp4", 24, 3)
    ours = [to_rgb(frame) for _, frame, _ in timed_frames(path)]
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "FRAME"
        container.streams.video[0].thread_count = 4
        theirs = [to_rgb(frame) for frame in container.decode(video=0)]
    assert len(ours) == len(theirs) == 72
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "flv"])
def test_key_frames_alone_decode_fewer_pictures_and_give_the_same(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"b.{suffix}"
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=4", "-c:v", "libx264", "-bf", "3"),
        *("-pix_fmt", "yuv420p", path),
    )
    every, some = list(timed_frames(path)), list(timed_frames(path, firsts_only=True))
    assert len(every) == 100 and len(some) <= 75
    for one, other in zip(chunks(path, 0), chunks(path, 1), strict=True):
        np.testing.assert_array_equal(one.key_frame, other.key_frame)


def test_only_frames_that_are_used_are_converted(
    numbered_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    converted: list[int] = []

    def counted(frame: av.VideoFrame, *more: tuple[int, int], out: Frame) -> Frame:
        converted.append(frame.pts)
        return to_rgb(frame, *more, out=out)

    monkeypatch.setattr(video, "to_rgb", counted)
    path = numbered_video("a.mp4", 60, 2)
    assert len(list(chunks(path, 0))) == 2 and len(converted) == 2
    converted.clear()
    assert len(list(chunks(path, 8))) == 2 and len(converted) == 16


def test_a_file_that_is_removed_while_it_is_read_is_read_to_its_end(
    numbered_video: Callable[..., Path],
) -> None:
    path = numbered_video("a.mp4", 24, 3)
    reading = chunks(path, 4)
    next(reading)
    path.unlink()
    assert len(list(reading)) == 2
