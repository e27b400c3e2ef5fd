"""How often the leak check is wrong, on the demo's clips. Prints a Markdown table.

    python benchmarks/duplicates.py     # about two minutes on two cores

Run it from the root after `make demo`. Missed: untouched clips are encoded again (other sizes, few
bits, another codec, another frame rate) and must be found. False alarms: clips of different
scenes must not be alike, nor different shots of one scene; all pairs are compared, not only those
on both sides of a split.
"""

import hashlib
import subprocess
import tempfile
from pathlib import Path

import imageio_ffmpeg
import pandas as pd

from pipeline import layout, leaks, manifest
from pipeline.hashes import hash_table
from pipeline.leaks import COLUMNS, Seen
from pipeline.settings import load

SETS = ("demo", "demo_wild")
EVERY = 3  # untouched clips that are encoded again: each third shot's
COPIES = {
    "half size, H.264": (
        "mp4",
        [
            "-vf",
            "scale=trunc(iw/4)*2:trunc(ih/4)*2",
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-crf",
            "28",
        ],
    ),
    "a third, H.264, few bits": (
        "mp4",
        [
            "-vf",
            "scale=trunc(iw/6)*2:trunc(ih/6)*2",
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-crf",
            "38",
        ],
    ),
    "VP8, 150 kb/s": ("webm", ["-c:v", "libvpx", "-b:v", "150k", "-cpu-used", "8"]),
    "25 frames a second": (
        "mp4",
        ["-r", "25", "-c:v", "libx264", "-preset", "veryfast", "-crf", "28"],
    ),
}


def hashed(table: pd.DataFrame) -> list[Seen]:
    """Return the clips of a table with their hashes, named scene/shot/clip."""
    hashes = hash_table(table, pd.DataFrame(columns=COLUMNS), load().run)
    shots = hashes["video_id"].str.rsplit("_", n=1).str[0]
    content = dict(zip(table["video_id"], table["content"], strict=True))
    return [
        Seen(f"{content[row.video_id]}|{shot}|{row.video_id}", row.sha256, leaks.bits(row.hashes))
        for row, shot in zip(hashes.itertuples(), shots, strict=True)
    ]


def encoded(source: Path, path: Path, options: list[str]) -> Path:
    """Write another encoding of a file."""
    program = imageio_ffmpeg.get_ffmpeg_exe()
    command = [program, "-v", "error", "-y", "-i", str(source), "-threads", "1", *options]
    command += ["-an", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def missed(table: pd.DataFrame) -> list[tuple[str, int, int]]:
    """Return, per way of encoding, how many clips there are and how many are found again."""
    originals = table[table["impairment"] == "none"].iloc[::EVERY].reset_index(drop=True)
    known = hashed(originals)
    rows = []
    for name, (suffix, options) in COPIES.items():
        with tempfile.TemporaryDirectory() as folder:
            paths = [
                str(encoded(Path(path), Path(folder) / f"{n}.{suffix}", options))
                for n, path in enumerate(originals["path"])
            ]
            digests = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths]
            copies = hashed(originals.assign(path=paths, sha256=digests))
        pairs = leaks.find(known, copies)
        hits = {pair.test for pair in pairs if pair.train == pair.test}
        rows.append((name, len(copies), len(hits)))
    return rows


def main() -> None:
    """Print both tables."""
    table = pd.concat([manifest.read(layout.manifest(name)) for name in SETS], ignore_index=True)
    table["video_id"] = table["path"]  # unique over both sets
    print("| copy | clips | found |\n|---|---|---|")
    for name, clips, hits in missed(table):
        print(f"| {name} | {clips} | {hits} |")
    clips = hashed(table)
    places = [clip.name.split("|") for clip in clips]
    alike = {
        tuple(sorted((pair.train, pair.test)))
        for pair in leaks.find(clips, clips)
        if pair.train != pair.test
    }
    names = {clip.name: place for clip, place in zip(clips, places, strict=True)}
    print("\n| pairs of clips | pairs | alike |\n|---|---|---|")
    for what, one_scene, one_shot in (
        ("of one shot, impaired in different ways", True, True),
        ("of different shots of one scene", True, False),
        ("of different scenes", False, False),
    ):
        kind = (one_scene, one_shot)
        total = sum(_kind(a, b) == kind for i, a in enumerate(places) for b in places[i + 1 :])
        hits = sum(_kind(names[a], names[b]) == kind for a, b in alike)
        print(f"| {what} | {total} | {hits} |")


def _kind(a: list[str], b: list[str]) -> tuple[bool, bool]:
    return a[0] == b[0], a[1] == b[1]


if __name__ == "__main__":
    main()
