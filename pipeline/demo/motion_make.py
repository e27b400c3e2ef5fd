"""Makes the clips of known motion, with conversations to learn from and questions to be tested."""

import json
import logging
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from pipeline.atomic import replacing, write_text
from pipeline.demo import motion, motion_questions
from pipeline.demo.ffmpeg import BITEXACT, FfmpegError, ffmpeg
from pipeline.demo.impair import CLEAN
from pipeline.demo.make import DemoError
from pipeline.demo.motion import PICTURE, Clip, Still
from pipeline.demo.vmaf import check_frames
from pipeline.progress import bar

log = logging.getLogger(__name__)


def make(clips: Sequence[Clip], footage: Path, root: Path, workers: int) -> None:
    """Write clips/, labels.csv, conversations.json and questions/ below `root`, all of them anew.

    Args:
        footage: folder of the footage.
        workers: pictures worked on at the same time, >= 1.

    Raises:
        DemoError: footage is missing, or clips could not be made.
    """
    missing = sorted({c.still.file for c in clips if not (footage / c.still.file).is_file()})
    if missing:
        raise DemoError(f"{footage} has no {', '.join(missing)}; run stage footage first")
    (root / "clips").mkdir(parents=True, exist_ok=True)
    (root / "questions").mkdir(exist_ok=True)
    files = {clip.name: f"clips/{clip.name}.mp4" for clip in clips}
    for path in (root / "clips").iterdir():
        if f"clips/{path.name}" not in files.values():
            path.unlink()
    groups = [list(group) for _, group in groupby(clips, key=lambda clip: clip.still)]
    with ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(_make, group, footage, root, files) for group in groups]
        luma: dict[str, float] = {}
        try:
            for job, group in zip(bar(jobs, len(jobs), root.name, "picture"), groups, strict=True):
                luma |= dict.fromkeys((clip.name for clip in group), job.result())
        except (FfmpegError, OSError) as error:
            pool.shutdown(wait=False, cancel_futures=True)
            raise DemoError(f"{root}: {error}") from error
    rows = [
        {"filename": files[clip.name], "split": clip.split, "content": clip.still.scene}
        for clip in clips
    ]
    with replacing(root / "labels.csv") as tmp:
        pd.DataFrame(rows).to_csv(tmp, index=False, lineterminator="\n")
    write_text(
        root / "conversations.json",
        _json(motion_questions.conversations(clips, files, luma)),
    )
    for kind, asked in motion_questions.questions(clips, files, luma).items():
        write_text(root / "questions" / f"{kind}.json", _json(asked))
    log.info("%s: %d clips of %d pictures", root, len(clips), len(groups))


def _json(records: Sequence[Any]) -> str:
    return json.dumps(records, indent=1) + "\n"


def _make(clips: Sequence[Clip], footage: Path, root: Path, files: dict[str, str]) -> float:
    """Make the clips of one picture; return the picture's mean luma, 0-255."""
    with tempfile.TemporaryDirectory(prefix="picture-") as scratch:
        picture = Path(scratch) / "picture.png"
        _take(clips[0].still, footage, picture)
        for clip in clips:
            filters = clip.filters
            if clip.frozen:
                filters += ",shuffleframes=" + "|".join(map(str, clip.order))
            source = ["-loop", "1", "-framerate", str(PICTURE.fps), "-i", str(picture)]
            shown = ["-vf", f"{filters},setsar=1", "-frames:v", str(PICTURE.frames)]
            with replacing(root / files[clip.name]) as tmp:
                ffmpeg([*source, *shown, *CLEAN, "-threads", "1", *BITEXACT, str(tmp)])
                check_frames(tmp, PICTURE.frames)
        return float(np.asarray(Image.open(picture).convert("L")).mean())


def _take(still: Still, footage: Path, picture: Path) -> None:
    at = [] if still.at_s is None else ["-ss", str(still.at_s)]
    ffmpeg([*at, "-i", str(footage / still.file), "-map", "0:v:0", "-frames:v", "1", str(picture)])


def build(footage: Path, root: Path, scenes: int, seed: int, workers: int) -> None:
    """Plan and make the data set; see `motion.stills` for `scenes`."""
    make(motion.plan(motion.stills(scenes), seed), footage, root, workers)
