"""The commands and the Python of docs/scoring.md, on a tiny model where results/model lies."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app

PAGE = (Path(__file__).parents[2] / "docs/scoring.md").read_text(encoding="utf-8")
COMMANDS = [line.strip() for line in PAGE.splitlines() if line.startswith("    lmm-vqa ")]
WITHOUT_A_HUB = [line for line in COMMANDS if " push " not in line and " pull " not in line]


def test_the_page(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_model, "results/model")
    clips = sorted((tiny_model.parent / "clips").glob("*.mp4"))
    Path("clips").mkdir()
    for clip, name in zip(clips, ("clip.mp4", "a.mp4", "b.mp4", "clips/c.mp4"), strict=False):
        shutil.copy(clip, name)
    Path("more.txt").write_text("a.mp4\nb.mp4\n")
    assert len(WITHOUT_A_HUB) == 7
    for line in WITHOUT_A_HUB:
        done = CliRunner().invoke(app, shlex.split(line, comments=True)[1:])
        assert done.exit_code == 0, (line, done.output, done.exception)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(block.split("\n\n")[-1].splitlines()) <= 3
    exec(block, {})
    assert 0 <= float(capsys.readouterr().out) <= 100
