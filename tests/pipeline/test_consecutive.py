from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline import consecutive, encode, video
from pipeline.settings import RunSettings, SpatialSettings, TemporalSettings
from tests.clips import number_of, numbered_frame, write_video


def numbers(path: Path, frames: int = 32) -> list[list[int]]:
    return [[number_of(f) for f in chunk.clip] for chunk in consecutive.chunks(path, frames)]


@pytest.mark.parametrize("fps", [12, 30, 60, 120])
def test_clips_are_frames_in_a_row_from_each_seconds_first(
    numbered_video: Callable[..., Path], fps: int
) -> None:
    path = numbered_video("v.mp4", fps, 3)
    last = 3 * fps - 1
    assert numbers(path) == [[min(k * fps + i, last) for i in range(32)] for k in range(3)]


@pytest.mark.parametrize("seconds", [0.25, 0.7, 1.3, 2.3, 2.5, 2.6])
@pytest.mark.parametrize("fps", [20, 120])
def test_seconds_and_key_frames_are_those_of_the_default(
    numbered_video: Callable[..., Path], fps: int, seconds: float
) -> None:
    path = numbered_video("v.mp4", fps, seconds)
    ours, theirs = list(consecutive.chunks(path, 32)), list(video.chunks(path, 4))
    assert [chunk.start_s for chunk in ours] == [chunk.start_s for chunk in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert np.array_equal(a.key_frame, b.key_frame) and np.array_equal(a.clip[0], b.key_frame)


def test_a_gap_shows_the_frame_before_it(tmp_path: Path) -> None:
    times = [Fraction(n, 10) for n in (0, 1, 2, 3, 25, 26, 27, 28, 29)]
    frames = [numbered_frame(n) for n in range(len(times))]
    path = write_video(tmp_path / "gap.mp4", frames, times)
    assert [row[:4] for row in numbers(path, 6)] == [[0, 1, 2, 3], [3, 4, 5, 6], [4, 5, 6, 7]]
    starts = [chunk.start_s for chunk in video.chunks(path, 4)]
    assert starts == [0, 1, 2]


def test_no_video_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"junk" * 99)
    with pytest.raises(video.VideoError):
        list(consecutive.chunks(tmp_path / "x.mp4", 32))


class Recorder:
    """An encoder that keeps the numbers of the frames it is given."""

    random = False
    fingerprint = {"kind": "temporal"}  # noqa: RUF012

    def __init__(self) -> None:
        self.seen: list[list[int]] = []

    def __call__(self, clips: list[np.ndarray]) -> np.ndarray:
        self.seen += [[number_of(frame) for frame in clip] for clip in clips]
        return np.zeros((len(clips), 3), np.float16)


def test_the_setting_reaches_the_encoder_and_the_fingerprint(
    numbered_video: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TemporalSettings(
        model="slowfast_r50", pretrained="random", frames=32, size_px=64, clip="consecutive"
    )
    recorder = Recorder()
    monkeypatch.setattr(encode, "encoder", lambda *_: recorder)
    item = encode.Video("v", numbered_video("v.mp4", 60, 2), "0" * 64)
    (tmp_path / "t").mkdir()
    wanted = encode.fingerprint(settings, recorder)
    job = encode.Job(tmp_path, item, (encode.Target(settings, tmp_path / "t"),), (wanted,))
    done = encode.encode_video(job, RunSettings(device="cpu"))
    assert done.failure is None and done.chunks == 2
    assert recorder.seen == [list(range(32)), list(range(60, 92))]
    found = encode.fingerprint(settings, recorder)
    assert found["sampling"]["clip"] == "consecutive"
    spread = encode.fingerprint(settings.model_copy(update={"clip": "spread"}), recorder)
    assert "clip" not in spread["sampling"]  # caches made before this setting stay valid
    spatial = SpatialSettings(model="m", pretrained="random", grid=1, frame="whole", size_px=64)
    assert not encode.Target(spatial, tmp_path).consecutive
