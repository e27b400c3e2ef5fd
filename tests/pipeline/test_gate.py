"""The gate, by the very commands of docs/gate.md, run in a shell with a real ffmpeg."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.gate import below

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/gate.md").read_text(), re.DOTALL)


def test_limits() -> None:
    row = {
        "video": "a.mp4",
        "score": 60.0,
        "timeline": [{"start_s": 0.0, "score": 39.99}, {"start_s": 61.0, "score": 10.0}],
    }
    assert below(row, None, None) == below(row, 60, None) == []
    assert below(row, 60.5, 40) == [
        "a.mp4: score 60.0 is below 60.5",
        "a.mp4: second 0 (from 0:00): 40.0 is below 40",
        "a.mp4: second 61 (from 1:01): 10.0 is below 40",
    ]


def in_shell(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a block as a reader would, with ffmpeg and lmm-vqa on the path."""
    commands = folder / "bin"
    commands.mkdir(exist_ok=True)
    for name, call in {
        "ffmpeg": f'"{imageio_ffmpeg.get_ffmpeg_exe()}"',
        "lmm-vqa": f'"{sys.executable}" -c "from pipeline.cli import main; main()"',
    }.items():
        (commands / name).write_text(f'#!/bin/sh\nexec {call} "$@"\n')
        (commands / name).chmod(0o755)
    environment = {"PATH": f"{commands}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["sh", "-e", "-c", script], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.slow
def test_the_commands_of_the_docs(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "results/model")
    shutil.copy(tiny_model.parent / "clips/c0.mp4", tmp_path / "master.mp4")
    once, until_good = BLOCKS
    done = in_shell(tmp_path, once)
    row = json.loads(pd.read_csv(tmp_path / "gate.csv").loc[0].to_json())
    row["timeline"] = json.loads(row["timeline"])
    reasons = below(row, 60, 40)
    assert done.returncode == (3 if reasons else 0)
    assert [line for line in done.stderr.splitlines() if line.startswith("gate: ")] == [
        f"gate: {reason}" for reason in reasons
    ]
    open_gate = until_good.replace("--min 60 --min-second 40", "--min 0 --min-second 0")
    done = in_shell(tmp_path, open_gate)
    assert done.returncode == 0 and done.stdout.count("ladder.mp4") == 1


def test_a_shut_gate_is_3_and_a_broken_file_1(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(tiny_model.parent / "clips/c0.mp4", "a.mp4")
    command = ["score", "a.mp4", "--model", str(tiny_model), "--device", "cpu"]
    assert CliRunner().invoke(app, [*command, "--min", "0"]).exit_code == 0
    shut = CliRunner().invoke(app, [*command, "--min", "100", "--min-second", "100"])
    assert shut.exit_code == 3
    for wanted in ("a.mp4: score", "second 0 (from 0:00)", "second 1 (from 0:01)"):
        assert wanted in shut.stderr
    Path("b.mp4").touch()
    both = CliRunner().invoke(app, [*command, "b.mp4", "--min", "100"])
    assert both.exit_code == 1 and "a.mp4: score" in both.stderr
