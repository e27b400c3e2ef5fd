"""docs/settings.md and docs/commands.md are what the code says; `make reference` writes them."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from pipeline import reference, settings

DOCS = Path(__file__).parents[2] / "docs"
SECTIONS = [
    found
    for found in vars(settings).values()
    if isinstance(found, type) and issubclass(found, settings.Section)
]


def test_the_page_of_settings_is_current() -> None:
    assert (DOCS / "settings.md").read_text() == reference.page(), "run `make reference`"


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_says_what_it_is(section: type[settings.Section]) -> None:
    for name, field in section.model_fields.items():
        if not _is_section(field.annotation) and name != "datasets":
            assert field.description, f"{section.__name__}.{name}: write a text below the field"


def test_every_setting_is_on_the_page() -> None:
    page = reference.page()
    for section in SECTIONS:
        for name, field in section.model_fields.items():
            assert f"| `{name}` |" in page or f"\n## {name}" in page or _is_section(
                field.annotation
            ), (section, name)  # fmt: skip


def _is_section(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def test_stages_that_rerun_are_those_of_the_graph() -> None:
    stages = {
        "a": {"params": ["seed", "tune"]},
        "b": {"foreach": "${datasets}", "do": {"params": ["datasets.${key}", "tune.epochs"]}},
    }
    assert reference.tracked(stages) == {
        "seed": {"": ["a"]}, "tune": {"": ["a"], "epochs": ["b"]}, "datasets": {"": ["b"]}
    }  # fmt: skip


def test_the_page_of_commands_is_current(tmp_path: Path) -> None:
    made = tmp_path / "commands.md"
    call = ["typer", "pipeline.cli", "utils", "docs", "--name", "lmm-vqa", "--title", "Commands"]
    done = subprocess.run(
        [sys.executable, "-m", *call, "--output", made],
        cwd=DOCS.parent, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (DOCS / "commands.md").read_text() == made.read_text(), "run `make reference`"
