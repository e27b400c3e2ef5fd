"""Kill an extraction at every step that touches its cache, then let it run again.

    python -m tests.pipeline.killed_everywhere PROJECT

Python announces what it is about to do to a file by an audit event. For n = 1, 2, 3, ... a fork of
this process extracts into an empty cache and is killed by SIGKILL at its nth event there: before or
after a file is made, written, synced, renamed. What it leaves is checked and a second fork finishes
it. Prints the number of kills.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from pipeline import extract, layout, manifest
from pipeline.cache import INDEX, TokenCache
from pipeline.encode import Target, encoder
from pipeline.settings import Params, load
from tests.pipeline.runs import token_bytes

EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.chmod", "os.scandir"}


def attempt(params: Params, kill_at: int | None = None) -> None:
    """Extract; at the nth event that names the cache or its journal, die."""
    folder = layout.cache("mine", "spatial").absolute()
    left = kill_at or sys.maxsize

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in EVENTS and any(
            "mine/spatial" in str(a) or ".spatial." in str(a) for a in arguments
        ):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(audit)
    extract.extract(
        manifest.read(layout.manifest("mine")), (Target(params.spatial, folder),), params.run
    )


def forked(action: Callable[[], None]) -> int:
    """Run an action in a fork and return its exit status, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        try:
            action()
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def check_what_is_left(folder: Path, reference: dict[str, bytes]) -> None:
    """Nothing half-written may be read: each token file is whole, and an index is the last word."""
    found = {n: c for n, c in token_bytes(folder).items() if not Path(n).name.startswith(".tmp-")}
    for name, content in found.items():
        assert content == reference[name], f"{name} is not what it should be"
    if INDEX in found:
        assert set(found) == set(reference)
        assert set(TokenCache(folder).videos) == {"a", "b"}


def main(project: str) -> None:
    """Kill, look, resume, until an extraction is no longer reached by the kill."""
    os.chdir(project)
    torch.set_num_threads(1)  # a fork must not inherit threads
    params = load()
    extract.estimate = lambda *_: None  # type: ignore[assignment]  # saves a process per run
    encoder(params.spatial, "cpu")  # inherited by every fork
    folder = layout.cache("mine", "spatial")
    assert forked(lambda: attempt(params)) == 0
    reference = token_bytes(folder)
    kills, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        shutil.rmtree(folder)
        (folder.parent / ".spatial.journal").unlink(missing_ok=True)
        status = forked(partial(attempt, params, kill_at=kills + 1))
        if folder.is_dir():
            check_what_is_left(folder, reference)
        before = {p: p.stat().st_mtime_ns for p in folder.glob("[!.]*.h5")}
        assert forked(lambda: attempt(params)) == 0
        assert token_bytes(folder) == reference, f"after kill {kills + 1}"
        assert {p: p.stat().st_mtime_ns for p in before} == before, "a finished video was redone"
        kills += status == -signal.SIGKILL
    assert status == 0, status
    print(kills)


if __name__ == "__main__":
    main(sys.argv[1])
