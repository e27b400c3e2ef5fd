"""Decoding in a process of its own, which can be killed: a poison video costs itself only.

The process is kept from video to video and decodes ahead while its reader encodes. Pixels come in
shared memory, messages as JSON; nothing from a process that reads strangers' files is unpickled.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from mmap import mmap
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.decode_child import OUT_OF_MEMORY
from pipeline.hardware import HardwareError
from pipeline.settings import RunSettings
from pipeline.video import Chunk, VideoError, VideoFacts

SLOTS = 2  # chunks in shared memory: one is read, one waits, of a third the frames are decoded
KEPT_BYTES = 1 << 30  # a process that needed more shared memory than this is not kept


class Decoder:
    """Reads videos by way of a child process, which starts with the first one."""

    def __init__(self) -> None:
        self._child: _Child | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, if there is a child."""
        return self._child.process.pid if self._child else None

    def chunks(
        self, path: Path, clip_frames: int, run: RunSettings, consecutive: bool = False
    ) -> Generator[Chunk]:
        """Yield what `video.chunks` does; a chunk's pixels are valid until the next one.

        Args:
            path: of the video file.
            clip_frames: T, instants per chunk; 0: key frames only.
            run: where, and the limits of time and memory.
            consecutive: clips of frames in a row, as `consecutive.chunks` yields them.

        Raises:
            VideoError: what `video.chunks` raises, or that the process crashed, took too much
                memory, or was killed because nothing came in time.
            HardwareError: if `run` wants a GPU that cannot decode.
        """
        how = {"clip_frames": clip_frames, "consecutive": consecutive, "on": run.decode_on}
        yield from self._asked(path, run, {"facts": False, **how})

    def facts(self, path: Path, run: RunSettings) -> VideoFacts:
        """Return what `video.probe` does.

        Raises:
            VideoError: as `chunks`.
        """
        found: dict[str, Any] = {}
        for _ in self._asked(path, run, {"facts": True}, found):
            pass  # there are no chunks
        return VideoFacts(**found["facts"])

    def _asked(
        self,
        path: Path,
        run: RunSettings,
        wanted: dict[str, Any],
        ended: dict[str, Any] | None = None,
    ) -> Generator[Chunk]:
        """Yield chunks, and put the last message into `ended`."""
        if self._child is None or self._child.process.poll() is not None:
            self.close()
            self._child = _Child()
        child = self._child
        try:
            message = yield from _read(child, path, run, wanted)
        finally:  # whatever the reader of chunks does
            if not child.idle or child.shared_bytes > KEPT_BYTES:
                self.close()
        if ended is not None:
            ended |= message

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.end()
            self._child = None


def _read(
    child: "_Child", path: Path, run: RunSettings, wanted: dict[str, Any]
) -> Generator[Chunk, None, dict[str, Any]]:
    """Yield chunks; return the message that says how it ended."""
    memory_bytes = run.decode_memory_mb << 20
    command = {"path": str(path), "memory_bytes": memory_bytes, **wanted}
    child.idle = False
    left_s = run.decode_limit_s
    try:
        child.send(json.dumps(command))
        while True:
            asked = time.monotonic()
            if not child.connection.poll(max(left_s, 0)):
                raise VideoError(
                    f"{path}: the decoder hangs or is far too slow: killed after {_so_far(child)} "
                    f"(run.decode_limit_s: {run.decode_limit_s:g}, "
                    f"run.decode_limit_per_chunk_s: {run.decode_limit_per_chunk_s:g})"
                )
            message: dict[str, Any] = json.loads(child.connection.recv_bytes())
            # only what is waited for counts, and each second of video that comes gives more
            left_s += run.decode_limit_per_chunk_s - (time.monotonic() - asked)
            if "slot" not in message:
                break
            child.chunks += 1
            yield child.chunk(message)
            child.send(str(message["slot"]))
    except (EOFError, ConnectionError) as error:
        died = child.death(run)
        raise VideoError(f"{path}: {died} after {_so_far(child)}") from error
    child.idle, child.chunks = True, 0
    if "hardware" in message:
        raise HardwareError(message["failure"])
    if message["failure"] is not None:
        raise VideoError(message["failure"])
    return message


def _so_far(child: "_Child") -> str:
    return f"{child.chunks} s of video"


@dataclass(frozen=True)
class _Ends:
    """What must be closed with a child."""

    process: "subprocess.Popen[bytes]"
    connection: Connection
    fds: tuple[int, ...]

    def close(self) -> None:
        self.process.kill()  # stopped or hung, it goes
        self.process.wait()
        self.connection.close()
        for fd in self.fds:
            with suppress(OSError):
                os.close(fd)


class _Child:
    """The process and what is shared with it."""

    def __init__(self) -> None:
        self.connection, theirs = Pipe()
        alive, held = os.pipe()  # the child ends when our end closes, however we end
        slots = tuple(_shared_memory() for _ in range(SLOTS))
        given = (theirs.fileno(), alive, *slots)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pipeline.decode_child", *map(str, given)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=given,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is for the parent, which then ends the child
        )
        theirs.close()
        os.close(alive)
        ends = _Ends(self.process, self.connection, (held, *slots))
        self.end = weakref.finalize(self, ends.close)  # at the latest when this process ends
        self.memory: dict[int, mmap] = {}
        self._slots = slots
        self.idle = True  # waits for a command
        self.chunks = 0  # of the present video

    @property
    def shared_bytes(self) -> int:
        """Return how much shared memory the child has taken, sent or not."""
        return sum(os.fstat(slot).st_size for slot in self._slots)

    def send(self, text: str) -> None:
        self.connection.send_bytes(text.encode())

    def chunk(self, message: dict[str, Any]) -> Chunk:
        """Return the chunk that a message describes, as views of shared memory."""
        slot, shapes = message["slot"], (message["key_frame"], message["clip"])
        sizes = [int(np.prod(shape)) for shape in shapes]
        if len(self.memory.get(slot, b"")) < sum(sizes):
            self.memory[slot] = mmap(self._slots[slot], sum(sizes))
        pixels = np.frombuffer(self.memory[slot], np.uint8)
        key_frame = pixels[: sizes[0]].reshape(shapes[0])
        return Chunk(
            message["start_s"], key_frame, pixels[sizes[0] : sum(sizes)].reshape(shapes[1])
        )

    def death(self, run: RunSettings) -> str:
        """Say how the process ended."""
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            return "the decoder has closed its connection"
        if code == OUT_OF_MEMORY:
            return f"the decoder took over {run.decode_memory_mb} MB (run.decode_memory_mb)"
        if code >= 0:
            return f"the decoder ended with exit code {code}"
        how = signal.Signals(-code).name
        hint = ", perhaps by the system, out of memory" if -code == signal.SIGKILL else ""
        return f"the decoder died of {how}{hint}"


def _shared_memory() -> int:
    """Return the descriptor of a nameless file in memory: nothing is left of it when both end."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("lmm-vqa-chunk")
    with tempfile.TemporaryFile() as file:  # macOS
        return os.dup(file.fileno())
