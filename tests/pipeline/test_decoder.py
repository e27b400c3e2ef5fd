"""The decode process: the same pixels, and faults of real processes that cost one video only."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from multiprocessing import Pipe
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import psutil
import pytest

from pipeline import decode_child, video
from pipeline import decoder as decoder_module
from pipeline.decoder import Decoder
from pipeline.frames import Irregular
from pipeline.settings import RunSettings
from pipeline.video import VideoError
from tests.clips import write_moving_video, write_video

ROOT = Path(__file__).parents[2]
RUN = RunSettings()


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    with closing(Decoder()) as made:
        yield made


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_moving_video(tmp_path_factory.mktemp("clips") / "moving.mp4", seconds=6)


def test_pixels_are_those_of_the_decoder_itself(decoder: Decoder, moving: Path) -> None:
    count = 0
    for ours, wanted in zip(decoder.chunks(moving, 16, RUN), video.chunks(moving, 16), strict=True):
        np.testing.assert_array_equal(ours.key_frame, wanted.key_frame)
        np.testing.assert_array_equal(ours.clip, wanted.clip)
        assert ours.start_s == wanted.start_s
        count += 1
    assert count == 6


def test_seconds_that_are_decoded_again_are_not_sent_again(
    moving: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one slot each chunk must be whole before the next may overwrite it."""

    def irregular(path: Path, firsts_only: bool = False, on: str = "cpu") -> Iterator[Any]:
        for at_s, *rest in real(path):
            if firsts_only and at_s >= 4:
                raise Irregular("from here on")
            yield at_s, *rest

    real, wanted = video.timed_frames, list(video.chunks(moving, 0))
    monkeypatch.setattr(video, "timed_frames", irregular)
    slot = decoder_module._shared_memory()
    ours, theirs = Pipe()
    how = {"facts": False, "clip_frames": 0, "consecutive": False, "on": "cpu"}
    command = {"path": str(moving), "memory_bytes": 1 << 30, **how}
    serving = Thread(
        target=decode_child._serve,
        args=(theirs, command, [decode_child._Buffer(slot)]),
        daemon=True,
    )
    serving.start()
    for chunk in wanted:
        message = json.loads(ours.recv_bytes())
        assert message["start_s"] == chunk.start_s
        found = np.frombuffer(os.pread(slot, chunk.key_frame.size, 0), np.uint8)
        np.testing.assert_array_equal(found.reshape(message["key_frame"]), chunk.key_frame)
        ours.send_bytes(str(message["slot"]).encode())
    assert json.loads(ours.recv_bytes()) == {"failure": None}
    serving.join()


def test_one_process_serves_many_videos_good_and_bad(decoder: Decoder, moving: Path) -> None:
    list(decoder.chunks(moving, 0, RUN))
    pid = decoder.pid
    with pytest.raises(VideoError, match=r"test_decoder\.py: not a video"):
        list(decoder.chunks(Path(__file__), 0, RUN))
    assert len(list(decoder.chunks(moving, 16, RUN))) == 6
    assert decoder.pid == pid


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (signal.SIGSEGV, r"the decoder died of SIGSEGV after \d s of video"),
        (signal.SIGKILL, r"died of SIGKILL, perhaps by the system, out of memory after \d s"),
        (signal.SIGSTOP, r"hangs or is far too slow: killed after \d s of video \(run.decode"),
    ],
)
def test_a_crash_or_a_hang_costs_one_video(
    decoder: Decoder, moving: Path, fault: signal.Signals, reason: str
) -> None:
    list(decoder.chunks(moving, 0, RUN))  # the process has started
    limited = RunSettings(decode_limit_s=2, decode_limit_per_chunk_s=0.1)
    chunks = decoder.chunks(moving, 16, limited)
    next(chunks)
    pid = decoder.pid
    assert pid is not None
    os.kill(pid, fault)
    started = time.monotonic()
    with pytest.raises(VideoError, match=reason):
        list(chunks)
    assert time.monotonic() - started < 10
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert len(list(decoder.chunks(moving, 16, RUN))) == 6  # in a new process


def test_a_reader_that_is_slow_does_not_use_up_the_videos_time(
    decoder: Decoder, moving: Path
) -> None:
    list(decoder.chunks(moving, 0, RUN))  # the process has started
    limited = RunSettings(decode_limit_s=0.5, decode_limit_per_chunk_s=0)
    for _ in decoder.chunks(moving, 0, limited):
        time.sleep(0.2)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is limited on Linux only")
def test_a_video_that_eats_memory_is_stopped_and_named(decoder: Decoder, tmp_path: Path) -> None:
    frames = [np.full((2160, 3840, 3), shade, np.uint8) for shade in (0, 99, 200)]
    large = write_video(tmp_path / "large.mp4", frames, [Fraction(n, 3) for n in range(3)])
    with pytest.raises(VideoError, match=r"took over 256 MB \(run.decode_memory_mb\)"):
        list(decoder.chunks(large, 16, RunSettings(decode_memory_mb=256)))
    assert len(list(decoder.chunks(large, 16, RUN))) == 1


def test_a_reader_that_stops_early_leaves_a_decoder_that_works(
    decoder: Decoder, moving: Path
) -> None:
    with closing(decoder.chunks(moving, 16, RUN)) as chunks:
        next(chunks)
    assert [chunk.start_s for chunk in decoder.chunks(moving, 0, RUN)] == [0, 1, 2, 3, 4, 5]


def test_the_child_ends_when_its_parent_is_killed(moving: Path) -> None:
    code = (
        "import signal, sys; from pathlib import Path\n"
        "from pipeline.decoder import Decoder; from pipeline.settings import RunSettings\n"
        "decoder = Decoder(); chunks = decoder.chunks(Path(sys.argv[1]), 0, RunSettings())\n"
        "next(chunks); print(decoder.pid, flush=True); signal.pause()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(moving)], stdout=subprocess.PIPE, cwd=ROOT
    ) as parent:
        assert parent.stdout
        said = parent.stdout.readline()
        child = psutil.Process(int(said)) if said.strip().isdigit() else None
        parent.kill()
    assert child, said
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_facts_are_those_of_a_probe(decoder: Decoder, moving: Path, tmp_path: Path) -> None:
    assert decoder.facts(moving, RUN) == video.probe(moving)
    pid = decoder.pid
    (tmp_path / "junk.mp4").write_bytes(b"junk" * 100)
    with pytest.raises(VideoError, match=r"junk\.mp4: not a video"):
        decoder.facts(tmp_path / "junk.mp4", RUN)
    assert len(list(decoder.chunks(moving, 0, RUN))) == 6 and decoder.pid == pid
