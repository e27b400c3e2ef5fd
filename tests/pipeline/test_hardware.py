"""Decoding on a GPU, as far as it can be tested without one: never run where there is one."""

import json
import pickle
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from unittest.mock import ANY, Mock

import av
import numpy as np
import pytest

from pipeline import consecutive, container, decode_child, failures, hardware, video
from pipeline.cache import token_file
from pipeline.colour import to_rgb
from pipeline.decoder import Decoder
from pipeline.doctor import machine
from pipeline.encode import encode_video
from pipeline.estimate import estimate
from pipeline.extract import extract
from pipeline.hardware import HardwareError
from pipeline.plan import plan
from pipeline.settings import RunSettings
from tests.clips import write_moving_video
from tests.pipeline.test_extract import HERE, spatial, table

ON_GPU = RunSettings(decode_on="cuda")
HIDDEN = "no GPU decodes here"


def no_gpu() -> bool:
    try:
        hardware.accelerator()
    except HardwareError:
        return True
    return False


without_gpu = pytest.mark.skipif(not no_gpu(), reason="there is a GPU that decodes")
with_gpu = pytest.mark.skipif(no_gpu(), reason="needs a GPU that decodes")


@pytest.fixture
def moving(tmp_path: Path) -> Path:
    return write_moving_video(tmp_path / "moving.mp4", seconds=2)


@pytest.mark.parametrize(
    ("planes", "packed", "full_range"),
    [("yuv420p", "nv12", 1), ("yuvj420p", "nv12", 2), ("yuv420p10le", "p010le", 1)],
)
@pytest.mark.parametrize("transfer", [1, 16, 18])
def test_a_frame_of_the_gpus_has_the_cpus_colours(
    planes: str, packed: str, full_range: int, transfer: int
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(noise, "rgb24").reformat(format=planes)
    frame.pts, frame.time_base, frame.duration = 7, Fraction(1, 30), 3
    frame.colorspace, frame.color_trc, frame.color_range = 1, transfer, full_range
    given = frame.reformat(format=packed)
    assert given.format.name == packed
    ours = hardware.planar(given)
    np.testing.assert_array_equal(to_rgb(ours), to_rgb(frame))
    assert (ours.pts, ours.time_base, ours.duration) == (7, Fraction(1, 30), 3)
    # without it the colours would be others
    if packed == "nv12":
        assert (to_rgb(given) != to_rgb(frame)).any()


def test_frames_of_another_layout_stay_as_they_are() -> None:
    frame = av.VideoFrame(16, 16, "yuv444p")
    assert hardware.planar(frame) is frame


def test_only_what_is_bit_exact_by_its_standard_goes_to_the_gpu() -> None:
    def stream(codec: str, layout: str) -> Mock:
        found = Mock(codec_context=Mock(pix_fmt=layout))
        found.codec_context.codec.canonical_name = codec
        return found

    assert hardware.suits(stream("h264", "yuv420p"))
    assert hardware.suits(stream("hevc", "yuv420p10le"))
    assert not hardware.suits(stream("h264", "yuv444p"))
    assert not hardware.suits(stream("mpeg2video", "yuv420p"))
    assert not hardware.suits(stream("mjpeg", "yuvj420p"))


@without_gpu
def test_without_a_gpu_the_setting_is_refused_whatever_the_file(moving: Path) -> None:
    wanted = rf"run.decode_on is cuda, but {HIDDEN}.*PyAV was built with \(.*set run.decode_on: cpu"
    for path in (moving, Path(__file__)):
        with closing(Decoder()) as decoder, pytest.raises(HardwareError, match=wanted):
            list(decoder.chunks(path, 0, ON_GPU))


@without_gpu
def test_the_child_goes_on_after_a_refusal_and_facts_need_no_gpu(moving: Path) -> None:
    with closing(Decoder()) as decoder:
        with pytest.raises(HardwareError):
            list(decoder.chunks(moving, 4, ON_GPU, consecutive=True))
        pid = decoder.pid
        assert decoder.facts(moving, ON_GPU) == video.probe(moving)
        assert len(list(decoder.chunks(moving, 4, RunSettings()))) == 2
        assert decoder.pid == pid


@without_gpu
def test_without_a_gpu_a_stage_stops_before_it_changes_anything(tmp_path: Path) -> None:
    write_moving_video(tmp_path / "videos/a.mp4", seconds=1)
    cache, here = spatial(tmp_path), HERE.model_copy(update={"decode_on": "cuda"})
    with pytest.raises(HardwareError, match=HIDDEN):
        extract(table(tmp_path), (cache,), here)
    job = plan(table(tmp_path), (cache,), here).jobs[0]
    with pytest.raises(HardwareError, match=HIDDEN):  # a worker neither records it as failed
        encode_video(job, here)
    elsewhere = here.model_copy(update={"scheduler": "tcp://workers:8786"})
    assert estimate([job], elsewhere) is None
    extract(table(tmp_path), (cache,), HERE)
    assert token_file(cache.folder, "a").exists()
    assert failures.read(cache.folder) == []


def test_a_refusal_comes_whole_from_a_worker() -> None:
    refused = hardware.refused(OSError("libnvcuvid.so.1: cannot open shared object file"))
    assert str(pickle.loads(pickle.dumps(refused))) == str(refused)
    assert "libnvcuvid.so.1: cannot open" in str(refused)


@pytest.mark.parametrize("decode", [video.chunks, consecutive.chunks])
def test_the_setting_reaches_the_stream(
    decode: object, moving: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an accelerator that is none, each file is opened twice: to look at it, and for it."""
    asked = []

    def open_(*args: object, hwaccel: object, **options: object) -> av.container.InputContainer:
        asked.append(hwaccel)
        return real(*args, **options)  # type: ignore[call-overload,no-any-return]

    real, stand_in = av.open, object()
    monkeypatch.setattr(container.av, "open", open_)
    monkeypatch.setattr(hardware, "accelerator", lambda: stand_in)
    on_cpu = list(decode(moving, 4))  # type: ignore[operator]
    assert asked == [None]
    on_gpu = list(decode(moving, 4, "cuda"))  # type: ignore[operator]
    assert asked == [None, None, stand_in]
    for ours, wanted in zip(on_gpu, on_cpu, strict=True):
        np.testing.assert_array_equal(ours.clip, wanted.clip)


def test_the_command_to_the_child_names_it(moving: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = Mock(return_value=iter(()))
    monkeypatch.setattr(video, "chunks", decode)
    command = {"path": str(moving), "facts": False, "clip_frames": 0, "consecutive": False}
    connection = Mock()
    decode_child._serve(connection, {**command, "on": "cuda"}, [])
    decode.assert_called_once_with(moving, 0, "cuda", ANY)
    assert json.loads(connection.send_bytes.call_args.args[0]) == {"failure": None}


def test_a_gpu_that_fails_later_is_no_fault_of_the_videos(
    moving: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_(*args: object, hwaccel: object, **options: object) -> av.container.InputContainer:
        if hwaccel is not None:
            raise av.ExternalError(1, "out of memory of the GPU")
        return real(*args, **options)  # type: ignore[call-overload,no-any-return]

    real = av.open
    monkeypatch.setattr(container.av, "open", open_)
    monkeypatch.setattr(hardware, "accelerator", object)
    with pytest.raises(HardwareError, match=HIDDEN):
        next(video.chunks(moving, 0, "cuda"))


@without_gpu
def test_doctor_says_whether_a_gpu_decodes() -> None:
    assert machine.hardware_decoding("cpu").state == "ok"
    assert machine.hardware_decoding("cuda").state == "problem"


@with_gpu
def test_a_gpu_gives_the_pixels_of_the_cpu(moving: Path) -> None:
    with container.opened(moving, "cuda") as (_, stream):
        assert stream.codec_context.is_hwaccel
    for ours, wanted in zip(video.chunks(moving, 4, "cuda"), video.chunks(moving, 4), strict=True):
        np.testing.assert_array_equal(ours.clip, wanted.clip)
