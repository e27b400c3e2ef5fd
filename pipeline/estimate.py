"""How much an extraction will write and how long it will take, from a short probe of it."""

import itertools
import logging
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline import cluster
from pipeline.cache import Tokens, write_tokens
from pipeline.decoder import Decoder
from pipeline.encode import Job, encoder
from pipeline.hardware import HardwareError
from pipeline.settings import RunSettings

PROBED_CHUNKS = 3  # the first one warms up and is not timed, unless it is the only one
PROBED_VIDEOS = 3  # tried until one can be read
PROBE_LIMIT_S = 10.0
PROBED_FROM_S = 60.0  # of video to encode; for less, a run does not wait for a probe
MADE_CHUNKS = 16  # of the file that is made to know its size

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Estimate:
    """What is ahead.

    Attributes:
        bytes: of all token files to be written.
        chunks: seconds of video to be encoded.
        chunk_s: seconds that one of them took in this process.
        workers: that share the work; 0 if that is for an existing scheduler to say.
    """

    bytes: int
    chunks: int
    chunk_s: float
    workers: int

    def __str__(self) -> str:
        took_s = self.chunks * self.chunk_s / max(1, self.workers)
        by = {0: "on one worker", 1: "on 1 worker"}.get(self.workers, f"on {self.workers} workers")
        return (
            f"to write: about {_size(self.bytes)}; time: about {_duration(took_s)} {by} "
            f"(a probe took {self.chunk_s:.2f} s per second of video, of which there are "
            f"{self.chunks})"
        )


def is_short(jobs: list[Job]) -> bool:
    """Say whether little is to be encoded, as the files state it."""
    stated = [job.video.duration_s for job in jobs]
    return min(stated) > 0 and sum(stated) < PROBED_FROM_S


def estimate(jobs: list[Job], run: RunSettings) -> Estimate | None:
    """Encode the first seconds of one of the videos and scale it up; None if none can be read.

    Raises:
        HardwareError: if `run` wants a GPU of this machine to decode, and it cannot.
    """
    for job in jobs[:PROBED_VIDEOS]:
        if probed := _probe(job, run):
            break
    else:
        return None
    chunk_s, rows = probed
    stated = [job.video.duration_s for job in jobs]
    known = [duration_s for duration_s in stated if duration_s > 0]
    mean_s = sum(known) / len(known) if known else float(len(rows[0]))
    chunks = [max(1, int((duration_s or mean_s) + 0.5)) for duration_s in stated]
    each = _file_bytes(job, rows, sum(chunks) / len(chunks))
    share = {"none": 1, "local": min(cluster.workers(run), len(jobs))}.get(run.scheduler, 0)
    return Estimate(round(each * len(jobs)), sum(chunks), chunk_s, share)


def _probe(job: Job, run: RunSettings) -> tuple[float, list[list[NDArray[np.float16]]]] | None:
    """Return seconds per chunk, and per target the tokens of some chunks."""
    short = run.model_copy(update={"decode_limit_s": min(PROBE_LIMIT_S, run.decode_limit_s)})
    rows: list[list[NDArray[np.float16]]] = [[] for _ in job.targets]
    times = [time.perf_counter()]
    encoders = [encoder(target.settings, cluster.device(run)) for target in job.targets]
    try:
        with (
            closing(Decoder()) as decoder,
            closing(
                decoder.chunks(job.root / job.video.path, job.clip_frames, short, job.consecutive)
            ) as chunks,
        ):
            for chunk in itertools.islice(chunks, PROBED_CHUNKS):
                for target, encode, tokens in zip(job.targets, encoders, rows, strict=True):
                    tokens.append(encode([chunk.clip if target.clip_frames else chunk.key_frame]))
                times.append(time.perf_counter())
    except HardwareError:
        if run.scheduler not in ("none", "local"):  # the workers may have what this machine has not
            return None
        raise
    except Exception as error:  # whatever is wrong with the video, its own turn will say it
        log.debug("%s: no estimate from it: %r", job.video.path, error)
        return None
    timed = times[1:] if len(times) > 2 else times
    return (timed[-1] - timed[0]) / (len(timed) - 1), rows


def _file_bytes(job: Job, rows: list[list[NDArray[np.float16]]], chunks: float) -> float:
    """Return the size of a mean video's token files together, by making small ones in a scratch."""
    made_chunks = min(round(chunks), MADE_CHUNKS)
    row_bytes = sum(tokens[0].nbytes for tokens in rows)
    with tempfile.TemporaryDirectory(prefix="lmm-vqa-") as scratch:
        for number, (tokens, made) in enumerate(zip(rows, job.fingerprints, strict=True)):
            array = np.zeros((made_chunks, *tokens[0].shape[1:]), np.float16)  # any are as large
            path = Path(scratch) / f"{number}.h5"
            write_tokens(path, Tokens(array, np.arange(float(made_chunks))), made, "0" * 64)
        made_bytes = sum(path.stat().st_size for path in Path(scratch).iterdir())
    return made_bytes + (chunks - made_chunks) * row_bytes


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return (
                f"{count:.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}"
            )
        count /= 1000
    return f"{count:.1f} TB"


def _duration(seconds: float) -> str:
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{max(1, round(seconds / unit))} {name}"
    return f"{seconds / 86_400:.1f} days"
