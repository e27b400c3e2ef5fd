"""What running again costs: nothing changed, one video added, one setting changed.

    python -m benchmarks.reruns 10 1000 100000 1000000    # the table of docs/reliability.md
    python -m benchmarks.reruns --dvc 100000              # DVC around a stage of so many videos

The stage and `dvc repro` are run again each with nothing changed, with one video added and, ten
videos, with one setting changed.

Caches are synthetic: copies of one small token file, so that 100,000 of them take 1 GB and not a
day. A cold run is measured on real clips and multiplied. The plan reads the manifest from CSV as
the stage does. "Nothing known" is the plan after the journal was lost, or DVC has restored the
files: each is opened and read.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import yaml

from benchmarks.copies import OTHER, SETTINGS, clips, synthetic, write_cache
from benchmarks.measure import (
    ROOT,
    RUN,
    SHA256,
    Networks,
    Row,
    in_turns,
    made_up_video,
    networks,
)
from pipeline import extract, journal, manifest
from pipeline.encode import Job, Target, Video, encode_video, encoder, fingerprint
from pipeline.plan import plan

READ_ALL_UP_TO = 100_000
ENCODE_UP_TO = 10  # videos that are all encoded anew within DVC


@dataclass(frozen=True)
class Setting:
    """How much is measured."""

    rows: tuple[int, ...] = (10, 1000, 100_000)
    changed_rows: int = 10  # of which all are encoded anew, since one setting has changed
    dvc_rows: tuple[int, ...] = (10, 1000)  # 100,000 take minutes: by `--dvc`
    turns: int = 3
    clip_s: float = 4
    clip_height: int = 540


def planned(table: Path, target: Target, cached: int, todo: int) -> None:
    """Read the manifest, plan, and check what was found."""
    found = plan(manifest.read(table), (target,), RUN)
    assert (found.current, len(found.jobs)) == (cached, todo), found


def measure(setting: Setting | None = None) -> list[Row]:
    """Return the figures of this group."""
    setting = setting or Setting()
    for settings in (SETTINGS, OTHER):
        encoder(settings, "cpu")  # loading it is not planning
    cold_s, weights = cold(setting)
    rows = [Row("cold run, a video", cold_s, "s", "", f"{setting.clip_s:g} s", weights)]
    for count in setting.rows:
        rows += plans(count, setting, cold_s)
    rows += changed(setting, cold_s)
    for count in setting.dvc_rows:
        for row in with_dvc(count):
            rows.append(row)
            if "nothing changed" in row.name:
                share, against = 100 * row.value / (cold_s * count), "a cold run on one worker"
                rows.append(Row(row.name, share, "%", against, row.size))
    return rows


def cold(setting: Setting) -> tuple[float, str]:
    """Return the seconds that one video takes in one worker: decoded, encoded, written."""
    nets = networks()
    with tempfile.TemporaryDirectory() as folder:
        clip = made_up_video(Path(folder) / "clip.mp4", setting.clip_height, setting.clip_s)
        target = Target(nets.spatial, Path(folder) / "spatial")
        target.folder.mkdir()
        made = fingerprint(target.settings, nets.built("spatial"))
        job = Job(Path.cwd(), Video("clip", clip, SHA256), (target,), (made,))

        def work() -> None:
            assert encode_video(job, RUN).failure is None

        times = in_turns({"cold": work}, setting.turns)
    return statistics.median(times["cold"]), nets.weights


def plans(count: int, setting: Setting, cold_s: float) -> list[Row]:
    """Return what a plan and the whole stage take for one size of data set."""
    size, rows = f"{count:,} videos", []
    with synthetic(count) as (table, target):
        write_cache(target, count)
        more = table.with_name("more.csv")
        found = manifest.read(table)
        clip = made_up_video(Path("clip.mp4"), 64, 1)
        added = found.iloc[:1].assign(video_id="added", path=str(clip))
        manifest.write(more, pd.concat([found, added]))
        other = Target(OTHER, target.folder)
        ways = {
            "plan, nothing changed": lambda: planned(table, target, count, 0),
            "plan, one video added": lambda: planned(more, target, count, 1),
            "plan, one setting changed": lambda: planned(table, other, 0, count),
            "stage, nothing changed": lambda: extract.extract(manifest.read(table), (target,), RUN),
        }
        times = in_turns(ways, setting.turns)
        for name in ways:
            goal = "<= 10" if name.startswith("plan") else ""
            rows.append(Row(name, statistics.median(times[name]), "s", "", size, "", goal))
        began = time.perf_counter()
        extract.extract(manifest.read(more), (target,), RUN)
        rows.append(Row("stage, one video added", time.perf_counter() - began, "s", "", size))
    again = statistics.median(times["stage, nothing changed"]) / (cold_s * count)
    against = f"a cold run on one worker ({count:,} x one video)"
    rows.append(Row("unchanged rerun of the stage", 100 * again, "%", against, size, "", "<= 1"))
    return rows


def changed(setting: Setting, cold_s: float) -> list[Row]:
    """Return what the whole stage takes after one setting has changed: every video is encoded."""
    nets, count = networks(), setting.changed_rows
    grids = (nets.spatial.grid, nets.spatial.grid + 1)
    # each turn changes the setting anew, to and fro
    made = [
        nets.spatial.model_copy(update={"grid": grids[turn % 2]})
        for turn in range(setting.turns + 1)
    ]
    took = []
    with synthetic(count) as (table, target):
        clips(table, setting.clip_height, setting.clip_s)
        for settings in made:
            Networks(settings, nets.temporal).built("spatial")  # loading it is not encoding
            work = partial(
                extract.extract, manifest.read(table), (Target(settings, target.folder),), RUN
            )
            took.append(_timed(work))
    name, size = "stage, one setting changed", f"{count:,} videos"
    again_s = statistics.median(took[1:])  # the first has filled the cache
    against = f"a cold run on one worker ({count:,} x one video)"
    return [
        Row(name, again_s, "s", "", size, nets.weights),
        Row(name, 100 * again_s / (cold_s * count), "%", against, size, nets.weights),
    ]


def with_dvc(count: int) -> Iterator[Row]:
    """Yield what DVC and the command take around a stage that has made all its files.

    At the end one video is added, then one setting changed. Both are clips of a second of 64 lines:
    that is DVC, the command's start and the journal; encoding comes on top.
    """
    size = f"{count:,} videos"
    with synthetic(count) as (table, target):
        write_cache(target, count)
        params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        params |= {
            "spatial": SETTINGS.model_dump(mode="json"),
            "run": RUN.model_dump(mode="json"),
            "datasets": {"mine": {"root": "."}},
        }
        params["tune"]["train_on"] = ["mine"]
        Path("params.yaml").write_text(yaml.safe_dump(params))
        stage = {
            "cmd": "lmm-vqa spatial mine",
            "deps": [str(table)],
            "params": ["spatial"],
            "outs": [{str(target.folder): {"persist": True}}],
        }
        Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"spatial": stage}}))
        commands = {
            "`dvc repro` after the cold run: the command, then each file hashed and kept": [
                "dvc",
                "repro",
            ],
            "`dvc repro`, nothing changed": ["dvc", "repro"],
            "`dvc status`, nothing changed": ["dvc", "status"],
            "`lmm-vqa spatial`, nothing changed": ["lmm-vqa", "spatial", "mine"],
        }
        _command(["git", "init", "--quiet"])
        _command(["dvc", "init", "--quiet"])
        for name, command in commands.items():
            yield Row(name, _timed(lambda c=command: _command(c)), "s", "", size)
        repro = partial(_command, ["dvc", "repro"])
        clip = made_up_video(Path("added.mp4"), 64, 1)
        found = manifest.read(table)
        added = found.iloc[:1].assign(video_id="added", path=str(clip))
        manifest.write(table, pd.concat([found, added]))
        yield Row("`dvc repro`, one video added (1 s, 64 lines)", _timed(repro), "s", "", size)
        if count <= ENCODE_UP_TO:
            manifest.write(table, found)
            clips(table, 64, 1)
            params["spatial"] = OTHER.model_dump(mode="json")
            Path("params.yaml").write_text(yaml.safe_dump(params))
            name = "`dvc repro`, one setting changed (each 1 s, 64 lines)"
            yield Row(name, _timed(repro), "s", "", size)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _command(words: list[str]) -> None:
    """Run a program of this environment."""
    paths = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(words, env={**os.environ, "PATH": paths}, capture_output=True, check=True)


def main(words: list[str]) -> None:
    """Print docs/reliability.md's table, or what DVC takes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("counts", type=int, nargs="*", help="videos of a plan")
    parser.add_argument("--dvc", type=int, nargs="+", metavar="COUNT", help="videos, with DVC")
    asked = parser.parse_args(words)
    encoder(SETTINGS, "cpu")
    if asked.dvc:
        print("| what | videos | s |\n|---|---|---|", flush=True)
        for row in (row for count in asked.dvc for row in with_dvc(count)):
            print(f"| {row.name} | {row.size} | {row.value:.1f} |", flush=True)
    if asked.counts or not asked.dvc:
        table_of_plans(asked.counts or [10, 1000, 100_000, 1_000_000])


def table_of_plans(counts: list[int]) -> None:
    """Print docs/reliability.md's table."""
    print("| rows | nothing cached, s | all cached, s | nothing known, s |")
    print("|---|---|---|---|", flush=True)
    for rows in counts:
        with synthetic(rows) as (table, target):
            empty = _timed(partial(planned, table, target, 0, rows))
            write_cache(target, rows)
            cached = _timed(partial(planned, table, target, rows, 0))
            journal.path_of(target.folder).unlink()
            unknown = "not run"
            if rows <= READ_ALL_UP_TO:
                unknown = f"{_timed(partial(planned, table, target, rows, 0)):.2f}"
            print(f"| {rows:,} | {empty:.2f} | {cached:.2f} | {unknown} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
