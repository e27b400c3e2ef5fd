"""Makes the clips of a data set, measures them and writes its table; what is current is kept."""

import hashlib
import json
import logging
import tempfile
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import pandas as pd

from llm_head.questions import SEVERITIES
from pipeline.atomic import replacing, write_text
from pipeline.demo.ffmpeg import BITEXACT, FfmpegError, encode, ffmpeg, identity
from pipeline.demo.impair import Ladder, severity
from pipeline.demo.plan import Item, recipe
from pipeline.demo.shots import reference_command
from pipeline.demo.vmaf import check_frames, vmaf
from pipeline.packages import sha256
from pipeline.progress import bar

log = logging.getLogger(__name__)

LOSSLESS = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-pix_fmt", "yuv420p")
TIMES = ("freeze", "low_frame_rate")  # VMAF is not defined for them
VISIBLE = 94.0  # VMAF above which a clip looks untouched; it is made again, a step stronger
STEP = 0.15
COLUMNS = ["filename", "mos", "mos_source", "split", "content", "shot", "impairment", "severity"]
COLUMNS += ["motion", "codec", "strength"]


class DemoError(RuntimeError):
    """Clips could not be made; the message counts them and shows the first five."""


def make(items: Sequence[Item], ladder: Ladder, footage: Path, root: Path, workers: int) -> None:
    """Write clips/, recipes/ and labels.csv of a data set below `root`.

    A clip is current if its file has the hash that its record in recipes/ says, and the record
    the hash of everything that the clip depends on. All others are made, and files of no clip are
    removed.

    Args:
        items: what to make, see pipeline.demo.plan.
        footage: folder of the footage.
        workers: shots worked on at the same time, >= 1.

    Raises:
        DemoError: some clips could not be made. The others are kept, labels.csv is not written.
    """
    sources = {item.shot.file: "" for item in items}
    hashes = {file: sha256(footage / file) for file in sources}
    keys = {item.name: _key(item, ladder, footage, hashes[item.shot.file]) for item in items}
    (root / "clips").mkdir(parents=True, exist_ok=True)
    (root / "recipes").mkdir(exist_ok=True)
    rows = {item.name: row for item in items if (row := _current(root, item, keys[item.name]))}
    _prune(root, rows)
    todo = [item for item in items if item.name not in rows]
    log.info("%s: %d clips, %d to make", root, len(items), len(todo))
    shots = [list(group) for _, group in groupby(todo, key=lambda item: item.shot.name)]
    failures: list[str] = []
    with ThreadPoolExecutor(workers) as pool:
        try:
            jobs = {
                pool.submit(_make_shot, group, ladder, footage, root, keys): group
                for group in shots
            }
            _collect(jobs, rows, failures, root.name)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if failures:
        first = "\n".join(failures[:5])
        raise DemoError(f"{root}: {len(failures)} of {len(shots)} shots failed. First:\n{first}")
    _write_labels(root, [rows[item.name] for item in items])


def _collect(
    jobs: "dict[Future[list[dict[str, object]]], list[Item]]",
    rows: dict[str, dict[str, object]],
    failures: list[str],
    what: str,
) -> None:
    """Gather what each shot gave, as it comes."""
    for job in bar(as_completed(jobs), len(jobs), what, "shot"):
        group = jobs[job]
        try:
            made = job.result()
        except (FfmpegError, OSError) as error:
            failures.append(f"{group[0].shot.name}: {error}")
            continue
        rows.update({item.name: row for item, row in zip(group, made, strict=True)})


def _make_shot(
    items: list[Item], ladder: Ladder, footage: Path, root: Path, keys: dict[str, str]
) -> list[dict[str, object]]:
    """Make the missing clips of one shot; return their rows of the table."""
    shot, picture = items[0].shot, items[0].picture
    rows = []
    with tempfile.TemporaryDirectory(prefix="shot-") as scratch:
        reference = Path(scratch) / "reference.mp4"
        ffmpeg([*reference_command(shot, picture, footage), *LOSSLESS, *BITEXACT, str(reference)])
        check_frames(reference, picture.frames)
        for item in items:
            row, digest = _make_clip(item, ladder, reference, root)
            record = {"key": keys[item.name], "sha256": digest, "row": row}
            path = root / "recipes" / f"{item.name}.json"
            write_text(path, json.dumps(record, indent=1) + "\n")
            rows.append(row)
    return rows


def _make_clip(
    item: Item, ladder: Ladder, reference: Path, root: Path
) -> tuple[dict[str, object], str]:
    """Make one clip; return its row and the hash of its file."""
    level = item.level
    while True:
        how = recipe(item, ladder, level)
        name = f"clips/{item.name}{how.suffix}"
        with replacing(root / name) as tmp:
            source = reference
            for number, one in enumerate(how.passes, start=1):
                last = number == len(how.passes)
                target = tmp if last else reference.with_name(f"pass{number}.mp4")
                encode(source, one.filters, one.codec, target)
                source = target
            mos = None
            if item.impairment in TIMES:
                check_frames(tmp, item.picture.frames)
            else:
                mos = vmaf(tmp, reference, item.picture.fps, item.picture.frames)
            digest = sha256(tmp)
        impaired = item.impairment not in ("none", *TIMES)
        if not impaired or mos is None or mos <= VISIBLE or level >= 1:
            break
        level = min(1.0, level + STEP)
    motion = "frozen" if item.impairment == "freeze" else "smooth"
    if item.impairment == "low_frame_rate" or not item.shot.moves:
        motion = ""
    # what VMAF cannot see goes by how far it was taken
    share = level if mos is None else 1 - min(mos, 100) / 100
    row: dict[str, object] = {
        "filename": name,
        "mos": None if mos is None else round(mos, 3),
        "mos_source": "" if mos is None else "vmaf",
        "split": item.split,
        "content": item.shot.scene,
        "shot": item.shot.name,
        "impairment": item.impairment,
        "severity": "" if item.impairment == "none" else severity(share),
        "motion": motion,
        "codec": how.codec,
        "strength": how.strength,
    }
    return row, digest


def _key(item: Item, ladder: Ladder, footage: Path, source: str) -> str:
    """Return the hash of everything that decides a clip's bytes and its row."""
    tries = [item.level + STEP * i for i in range(1 + int((1 - item.level) / STEP))] + [1.0]
    command = reference_command(item.shot, item.picture, Path("."))
    everything = {
        "footage": source,
        "reference": [*command, *LOSSLESS],
        "recipes": [asdict(recipe(item, ladder, level)) for level in tries],
        "columns": COLUMNS,
        "row": [item.name, item.split, item.shot.scene, item.shot.moves, item.impairment],
        "visible": VISIBLE,
        "severity": ["of the quality lost", *SEVERITIES],
        "bitexact": BITEXACT,
        "ffmpeg": identity(),
    }
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


def _current(root: Path, item: Item, key: str) -> dict[str, object] | None:
    """Return the row of a clip that need not be made again, or None."""
    path = root / "recipes" / f"{item.name}.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        row: dict[str, object] = record["row"]
        clip = root / str(row["filename"])
        if record["key"] == key and sha256(clip) == record["sha256"]:
            return row
    except (OSError, ValueError, KeyError, TypeError):
        pass  # absent, or cut off by hand: then the clip is made again
    return None


def _prune(root: Path, rows: dict[str, dict[str, object]]) -> None:
    """Remove every file of clips/ and recipes/ that belongs to no current clip."""
    keep = {str(row["filename"]) for row in rows.values()}
    keep |= {f"recipes/{name}.json" for name in rows}
    for folder in ("clips", "recipes"):
        for path in (root / folder).iterdir():
            if f"{folder}/{path.name}" not in keep:
                path.unlink()


def _write_labels(root: Path, rows: list[dict[str, object]]) -> None:
    table = pd.DataFrame(rows, columns=COLUMNS).sort_values("filename")
    with replacing(root / "labels.csv") as tmp:
        table.to_csv(tmp, index=False, lineterminator="\n")
    size = sum(path.stat().st_size for path in (root / "clips").iterdir())
    log.info("%s: %d clips, %.0f MB, labels.csv", root, len(table), size / 1e6)
