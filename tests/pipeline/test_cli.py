import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from pipeline.cli import app, main

ROOT = Path(__file__).parents[2]


def test_help_names_every_command_with_a_sentence() -> None:
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    for name, command in get_command(app).commands.items():
        assert re.search(rf"\b{name}\b", shown.output)
        assert command.help and command.help.strip().endswith(".")


def test_our_errors_are_one_message_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lmm-vqa", "manifest", "x"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "params.yaml: no such file" in capsys.readouterr().err


def test_the_scheduler_option_is_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["lmm-vqa", "spatial", "demo", "--scheduler", "mars"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "tcp://host:8786" in capsys.readouterr().err


@pytest.mark.slow
def test_tuning_loads_no_encoder_and_help_loads_no_torch() -> None:
    code = (
        "import sys, {module}\n"
        "heavy = {{'open_clip', 'pytorchvideo', 'timm', 'av', 'torch'}} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    for module, loaded in (("pipeline.cli", "[]"), ("pipeline.stages.tune", "['torch']")):
        done = subprocess.run(
            [sys.executable, "-c", code.format(module=module)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == loaded, module
