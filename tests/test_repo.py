"""The project agrees with itself: the same names for stages, files, settings and tests."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from pipeline.cli import app
from pipeline.settings import Params, load

ROOT = Path(__file__).parents[1]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def body(stage: str) -> dict[str, object]:
    found = STAGES[stage]
    return found.get("do", found)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_its_file_its_command_and_its_test(stage: str) -> None:
    assert (ROOT / f"pipeline/stages/{stage}.py").is_file()
    assert (ROOT / f"tests/pipeline/stages/test_{stage}.py").is_file()
    assert stage in get_command(app).commands
    assert str(body(stage)["cmd"]).split()[:2] == ["lmm-vqa", stage]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_tracks_code_that_exists_and_sections_that_exist(stage: str) -> None:
    for dep in body(stage).get("deps", []):
        if dep.split("/")[0] in ("pipeline", "encoders", "llm_head"):
            assert (ROOT / dep).exists(), dep
    for section in body(stage).get("params", []):
        assert section.split(".")[0] in Params.model_fields
        assert section != "run"


def test_profiles_have_the_sections_of_params() -> None:
    for path in (ROOT / "profiles").glob("*.yaml"):
        load(path)
        assert list(yaml.safe_load(path.read_text())) == list(
            yaml.safe_load((ROOT / "params.yaml").read_text())
        )


def test_nothing_large_and_no_data_is_in_git() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert files
    for path in files:
        assert not path.exists() or path.stat().st_size < 500_000, path
        assert path.name != "dvc.lock", "it is of one machine's run"
        assert path.suffix not in {".h5", ".mp4", ".safetensors", ".pt", ".npy"}, path


def test_every_test_that_the_docs_name_exists() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    for page in (ROOT / "docs").rglob("*.md"):
        for name in re.findall(r"\btest_[a-z0-9_]{12,}\b(?!\.py)", page.read_text()):
            assert f"def {name}(" in code, f"{page.name} names {name}"
