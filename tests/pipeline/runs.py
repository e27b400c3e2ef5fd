"""A small project on disk, and the command line on it in processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from pipeline.settings import DatasetSettings, RunSettings, load
from pipeline.stages import manifest
from tests.clips import write_moving_video

ROOT = Path(__file__).parents[2]
CLI = (sys.executable, "-c", "from pipeline.cli import main; main()")

# Python reads `sitecustomize` at its start; this one makes videos of certain names do their worst
# in the real decode process. Only the child of a decoder has that name on its command line.
POISON = """
import sys
if "pipeline.decode_child" in sys.orig_argv:
    import os, signal, time
    from pipeline import video
    real = video.chunks
    def chunks(path, *rest):
        if path.stem == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if path.stem == "hang":
            time.sleep(3600)
        if path.stem == "hog":
            hoard = [bytes([1]) * (16 << 20) for _ in range(10_000)]
        if path.stem == "killer":
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(3600)
        return real(path, *rest)
    video.chunks = chunks
"""


def make_project(folder: Path, names: Sequence[str], seconds: float = 1.0, **run: object) -> Path:
    """Write videos, settings with small random encoders, and the manifest of data set `mine`."""
    for seed, name in enumerate(names):
        write_moving_video(folder / "videos" / f"{name}.mp4", seed, seconds)
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["datasets"] = {"mine": {"root": "videos", "labels": None}}
    content["tune"]["train_on"] = ["mine"]
    content["spatial"].update(pretrained="random", size_px=32)
    content["temporal"].update(pretrained="random", layers=["2c"], frames=9, size_px=64)
    content["run"] = {"device": "cpu", **run}
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    listed_from = Path.cwd()
    os.chdir(folder)
    try:
        settings = load(Path("params.yaml"))
        assert settings.datasets["mine"] == DatasetSettings(root=Path("videos"))
        assert isinstance(settings.run, RunSettings)
        manifest.run(settings, "mine")
    finally:
        os.chdir(listed_from)
    return folder


def poison_folder(folder: Path) -> Path:
    """Write the `sitecustomize` that poisons videos; put the folder on a process's PYTHONPATH."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(POISON)
    return folder


def start(
    project: Path, *arguments: str, prefix: Sequence[str] = (), path: Sequence[Path] = ()
) -> "subprocess.Popen[str]":
    """Start `lmm-vqa ARGUMENTS` in a project, in a process group of its own."""
    return subprocess.Popen(
        [*prefix, *CLI, *arguments],
        cwd=project,
        env=environment(*path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def environment(*path: Path) -> dict[str, str]:
    """Return an environment whose Python finds `path` and the project's code."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT)))}


def run(project: Path, *arguments: str, code: int = 0, path: Sequence[Path] = ()) -> str:
    """Run `lmm-vqa ARGUMENTS` to its end, check the exit code, and return what it said."""
    process = start(project, *arguments, path=path)
    try:
        said, _ = process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        kill_group(process)
        raise
    assert process.returncode == code, said
    return said


def kill_group(process: "subprocess.Popen[str]") -> None:
    """Kill a run and everything that it started in its process group."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def token_bytes(folder: Path) -> dict[str, bytes]:
    """Return the files of a cache folder, by name relative to it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
