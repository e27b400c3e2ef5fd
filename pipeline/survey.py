"""A look at every video of a data set: content hash and probed facts.

A stranger's file can crash or hang a decoder. So files are probed in processes of their own, with
limits of time and memory; what happens there becomes a line in the manifest.
"""

import hashlib
import logging
import multiprocessing
import os
import resource
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor, TimeoutError
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pandas as pd
from pebble import ProcessExpired, ProcessPool

from pipeline.manifest import COLUMNS
from pipeline.progress import bar
from pipeline.tables import printable
from pipeline.video import VideoError, VideoFacts, probe

log = logging.getLogger(__name__)

LIMIT_S = 60.0  # to probe one file; a large one on a slow disk takes less than one
LIMIT_BYTES = 4 << 30  # address space of a probing process
_NOTHING = VideoFacts(width=0, height=0, fps=0, duration_s=0, codec="")


def survey(labels: pd.DataFrame) -> pd.DataFrame:
    """Return the manifest: `labels` with the hash and the probed facts of each video.

    A file that is no video keeps its row, with empty facts and the reason in column `problem`;
    extraction records it as failed.

    Args:
        labels: the table that an adapter of `pipeline.datasets` returns.
    """
    paths = [Path(path) for path in labels["path"]]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing lets go of Python's lock
        hashes = pool.map(_sha256, paths)
        found = bar(zip(hashes, facts(paths), strict=True), len(paths), "manifest", "video")
        rows = [{"sha256": sha256, **row} for sha256, row in found]
    table = pd.concat([labels, pd.DataFrame(rows, index=labels.index)], axis=1)
    for row in table[table["problem"] != ""].itertuples():
        log.warning("%s", row.problem)
    return table[list(COLUMNS)]


def facts(
    paths: list[Path],
    limit_s: float = LIMIT_S,
    look: Callable[[Path], VideoFacts] = probe,
) -> Iterator[dict[str, object]]:
    """Yield fields of a manifest's row for each file in turn: those of `VideoFacts`, size_bytes and
    `problem`, "" if there is none.

    Args:
        paths: of video files.
        limit_s: for each file; the process that is over it is killed, and another one started.
        look: what is done in the other process; raises VideoError for what is no video.
    """
    if not paths:
        return
    # forkserver: a fork of this process would copy its threads' locks, and a new interpreter per
    # call takes a second; the server starts once
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pipeline.survey"])
    with ProcessPool(min(os.cpu_count() or 1, len(paths)), context=context) as pool:
        answers = pool.map(partial(_limited, look), paths, timeout=limit_s).result()
        for path in paths:
            yield _answer(path, answers, limit_s)


def _answer(path: Path, answers: Iterator[VideoFacts], limit_s: float) -> dict[str, object]:
    try:
        found = asdict(next(answers))
        return {**found, "size_bytes": path.stat().st_size, "problem": ""}
    except VideoError as error:
        problem = str(error)
    except TimeoutError:
        problem = f"{path}: could not be probed within {limit_s:g} s"
    except ProcessExpired as error:
        problem = f"{path}: the decoder crashed on it (exit code {error.exitcode})"
    except MemoryError:
        problem = f"{path}: wants more than {LIMIT_BYTES >> 30} GB of memory to be opened"
    except BrokenExecutor:  # no process could be started: nobody's file is to blame
        raise
    except Exception as error:  # a stranger's file: whatever it brings about costs itself only
        problem = f"{path}: {error!r}"
    return {**asdict(_NOTHING), "size_bytes": 0, "problem": printable(problem)}


def _limited(look: Callable[[Path], VideoFacts], path: Path) -> VideoFacts:
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is reported, not dumped
    return look(path)


def _sha256(path: Path) -> str:
    """Return the hash of a file's content, or "" if it is gone meanwhile."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
