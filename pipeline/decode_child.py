"""The process in which videos are decoded: `pipeline.decoder` starts it and may kill it.

It reads JSON commands from a socket and puts the pixels of each chunk into shared memory. It holds
nothing that is worth keeping, so whatever a hostile file does to it costs that file only.
"""

import json
import os
import resource
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from math import prod
from mmap import mmap
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import consecutive, video
from pipeline.allocator import keep_freed_memory
from pipeline.hardware import HardwareError

OUT_OF_MEMORY = 71  # exit code
KEPT_BYTES = 64 << 20  # a little beside run.decode_memory_mb, against which it counts
_STATM = Path("/proc/self/statm")  # Linux only; elsewhere memory is not limited
_LOOK_EVERY_S = 0.02


def main() -> None:
    """Serve until the other side is gone. Arguments: file descriptors, see `Decoder`."""
    socket, alive, *slots = map(int, sys.argv[1:])
    keep_freed_memory(KEPT_BYTES)
    memory = _Memory()
    for watch in (lambda: _end_with(alive), memory.watch):
        threading.Thread(target=watch, daemon=True).start()
    connection = Connection(socket)
    buffers = [_Buffer(fd) for fd in slots]
    with suppress(EOFError, ConnectionError):
        while True:
            command = json.loads(connection.recv_bytes())
            memory.limit(command["memory_bytes"])
            _serve(connection, command, buffers)


def _end_with(alive: int) -> None:
    """End this process when the parent does, even in the midst of a decode that never returns."""
    os.read(alive, 1)
    os._exit(1)


class _Memory:
    """Ends this process when it holds too much memory of its own.

    A limit of the system alone would not do: where memory is refused, FFmpeg now and then speaks of
    damaged data instead, and an innocent file would be blamed. It is there for what takes memory
    faster than one can look, at twice the limit.
    """

    def __init__(self) -> None:
        self._limit_bytes = sys.maxsize

    def limit(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if hard == resource.RLIM_INFINITY or hard > 2 * limit_bytes:
            resource.setrlimit(resource.RLIMIT_DATA, (2 * limit_bytes, hard))

    def watch(self) -> None:
        page_bytes = resource.getpagesize()
        while _STATM.exists():
            _, resident, shared, *_ = map(int, _STATM.read_text().split())
            if (resident - shared) * page_bytes > self._limit_bytes:
                os._exit(OUT_OF_MEMORY)
            time.sleep(_LOOK_EVERY_S)


class _Buffer:
    """A piece of memory that both processes see; grows with what is asked of it."""

    def __init__(self, fd: int) -> None:
        self._fd, self._memory = fd, b""  # type: int, mmap | bytes

    def room(
        self, key_frame: tuple[int, ...], clip: tuple[int, ...]
    ) -> tuple[video.Frame, video.Frame]:
        """Return arrays of these shapes in it, one behind the other."""
        first, whole = prod(key_frame), prod(key_frame) + prod(clip)
        if whole > len(self._memory):
            os.ftruncate(self._fd, whole)
            self._memory = mmap(self._fd, whole)
        flat = np.frombuffer(self._memory, np.uint8)
        return flat[:first].reshape(key_frame), flat[first:whole].reshape(clip)


def _serve(connection: Connection, command: dict[str, Any], buffers: list[_Buffer]) -> None:
    """Decode one video: a message per chunk, and one that says how it ended, or what it is."""
    free = list(range(len(buffers)))
    ended: dict[str, Any] = {"failure": None}

    def room(*shapes: tuple[int, ...]) -> tuple[video.Frame, video.Frame]:
        if sum(map(prod, shapes)) > command["memory_bytes"]:
            raise MemoryError("a second of pixels")
        if not free:
            free.append(_freed(connection))
        return buffers[free[-1]].room(*shapes)

    try:
        if command["facts"]:
            ended["facts"] = asdict(video.probe(Path(command["path"])))
            return _send(connection, ended)
        decode = consecutive.chunks if command["consecutive"] else video.chunks
        for chunk in decode(Path(command["path"]), command["clip_frames"], command["on"], room):
            shapes = {"key_frame": chunk.key_frame.shape, "clip": chunk.clip.shape}
            _send(connection, {"slot": free.pop(), "start_s": chunk.start_s, **shapes})
    except (EOFError, ConnectionError):
        raise
    except HardwareError as error:
        ended = {"failure": str(error), "hardware": True}
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except Exception as error:
        if isinstance(error.__cause__, MemoryError):
            os._exit(OUT_OF_MEMORY)
        known = isinstance(error, video.VideoError)
        ended = {"failure": str(error) if known else f"{command['path']}: {error!r}"}
    _send(connection, ended)
    while len(free) < len(buffers):  # so that what comes next is a command
        free.append(_freed(connection))


def _freed(connection: Connection) -> int:
    return int(connection.recv_bytes())


def _send(connection: Connection, message: dict[str, Any]) -> None:
    connection.send_bytes(json.dumps(message).encode())


if __name__ == "__main__":
    main()
