"""Bit-flipped real files, read in processes that may die: what became of each.

`python -m tests.mutants` tries 2,000 and prints the figures of docs/hostile-input.md.
"""

import argparse
import hashlib
import math
import multiprocessing
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import TimeoutError
from functools import partial
from pathlib import Path

import numpy as np
from pebble import ProcessExpired, ProcessPool

from pipeline.cache import CacheError, TokenCache, Tokens, token_file, write_index, write_tokens
from pipeline.container import MAX_CHUNKS, MAX_FRAME_PX
from pipeline.video import VideoError, chunks, probe
from tests.oddities import ODDITIES
from tests.samples import CODECS, make

LIMIT_S = 30.0  # of one mutant
SEEDS = (
    *("h264.mp4", "h264.flv", "h264.ts", "fragments.mp4", "hevc_10.mkv", "vp8.webm", "vp9.webm"),
    *("av1.mp4", "mpeg1.mpg", "mpeg2.mts", "mpeg2_422.mxf", "mpeg4.avi", "theora.ogv", "wmv2.wmv"),
    *("prores.mov", "ffv1.mkv", "mjpeg.avi", "palette.gif", "turned.mp4", "sizes.ts"),
)
FINGERPRINT = {"model": "x", "random": False}


def mutated(content: bytes, seed: int) -> bytes:
    """Return content with bits flipped, bytes overwritten, or a part cut out or doubled."""
    rng = random.Random(seed)
    found = bytearray(content)
    # headers are small and decide the most: half of the changes go into the first and last bytes
    for _ in range(rng.choice((1, 1, 2, 4, 16, 64))):
        near = min(len(found), 600)
        at = rng.randrange(near) if rng.random() < 0.5 else rng.randrange(len(found))
        at = len(found) - 1 - at if rng.random() < 0.3 else at
        kind = rng.random()
        if kind < 0.6:
            found[at] ^= 1 << rng.randrange(8)
        elif kind < 0.9:
            found[at] = rng.choice((0, 1, 127, 128, 255))
        elif kind < 0.95:
            del found[at : at + rng.randrange(1, 64)]
        else:
            found[at:at] = found[at : at + rng.randrange(1, 64)]
        if not found:
            break
    return bytes(found)


def try_video(content: bytes, seed: int, suffix: str) -> str:
    """Probe and decode a mutant; say what became of it, `wrong` if it cannot be true."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"mutant{suffix}"
        path.write_bytes(mutated(content, seed))
        try:
            facts = probe(path)
        except VideoError:
            return "refused"
        numbers = (facts.fps, facts.duration_s)
        sound = all(math.isfinite(n) and n >= 0 for n in numbers)
        if not sound or not 0 < facts.width * facts.height <= MAX_FRAME_PX:
            return f"wrong facts: {facts}"
        outcomes = [_read(path, clip_frames) for clip_frames in (2, 2, 0)]
    if outcomes[0] != outcomes[1]:
        return f"wrong: two readings differ: {outcomes}"
    if outcomes[0] == "refused" and outcomes[2].startswith("read"):
        return "read, for the damaged picture was left out"  # see pipeline/frames.py
    if outcomes[0] != outcomes[2]:
        return f"wrong: with and without clips differ: {outcomes}"
    return "read" if outcomes[0].startswith("read") else "refused on decoding"


def _read(path: Path, clip_frames: int) -> str:
    """Decode to the end; return a digest of the key frames, or the kind of reason."""
    digest, count = hashlib.sha256(), 0
    try:
        for count, chunk in enumerate(chunks(path, clip_frames), 1):
            digest.update(chunk.key_frame.tobytes())
            if chunk.start_s != count - 1 or chunk.clip.shape[1:] != chunk.key_frame.shape:
                return f"wrong chunk {count}"
    except VideoError:
        return "refused"
    return f"read {digest.hexdigest()}" if 0 < count <= MAX_CHUNKS else f"wrong count {count}"


def some_tokens() -> Tokens:
    """Return tokens to be written and damaged."""
    rng = np.random.default_rng(0)
    return Tokens(rng.normal(size=(4, 3, 8)).astype(np.float16), np.arange(4.0))


def try_tokens(content: bytes, seed: int, suffix: str) -> str:
    """Read a mutant of a token file through the cache; anything but the tokens written is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        write_index(Path(folder), FINGERPRINT, {"a": "0" * 64})
        token_file(Path(folder), "a").write_bytes(mutated(content, seed))
        try:
            found = TokenCache(Path(folder)).read("a")
        except CacheError:
            return "refused"
    wanted = some_tokens()
    same = np.array_equal(found.tokens, wanted.tokens) and np.array_equal(found.pts_s, wanted.pts_s)
    return "read" if same and found.tokens.dtype == np.float16 else "wrong tokens"


def attempt(
    look: Callable[[bytes, int, str], str], content: bytes, suffix: str, seeds: range
) -> Counter[str]:
    """Try mutants of one file, each in a process that is replaced if it dies or hangs."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pipeline.survey", "pipeline.cache"])
    found: Counter[str] = Counter()
    with ProcessPool(os.cpu_count() or 1, context=context) as pool:
        job = partial(_one, look, content, suffix)
        answers = pool.map(job, seeds, timeout=LIMIT_S).result()
        for seed in seeds:
            try:
                found[next(answers)] += 1
            except ProcessExpired as error:
                found[f"crash (exit code {error.exitcode}), seed {seed}"] += 1
            except TimeoutError:
                found[f"hang, seed {seed}"] += 1
            except Exception as error:
                found[f"exception {error!r:.200}, seed {seed}"] += 1
    return found


def _one(look: Callable[[bytes, int, str], str], content: bytes, suffix: str, seed: int) -> str:
    return look(content, seed, suffix)


def videos(each: int) -> dict[str, Counter[str]]:
    """Try `each` mutants of every seed file."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for sample in (*CODECS, *ODDITIES):
            if sample.name in (*SEEDS, "h264.mp4"):
                path = make(sample, Path(folder))
                found[sample.name] = attempt(try_video, path.read_bytes(), path.suffix, range(each))
    return found


def token_files(count: int) -> Counter[str]:
    """Try mutants of a token file."""
    with tempfile.TemporaryDirectory() as folder:
        path = token_file(Path(folder), "a")
        write_tokens(path, some_tokens(), FINGERPRINT, "0" * 64)
        return attempt(try_tokens, path.read_bytes(), ".h5", range(count))


def main() -> None:
    """Print what became of the mutants."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--each", type=int, default=75, help="of every video")
    arguments.add_argument("--tokens", type=int, default=500, help="of a token file")
    given = arguments.parse_args()
    started, total = time.monotonic(), Counter[str]()
    for name, found in (*videos(given.each).items(), ("tokens.h5", token_files(given.tokens))):
        print(f"{name}: {dict(found)}", flush=True)
        total += found
    print(f"{total.total()} mutants in {time.monotonic() - started:.0f} s: {dict(total)}")


if __name__ == "__main__":
    main()
