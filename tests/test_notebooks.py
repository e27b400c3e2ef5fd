"""The notebooks as they lie in git; `make notebooks` runs them on the demo's caches."""

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == kind]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_there_are_four() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(path: Path) -> None:
    assert all(cell["outputs"] == [] for cell in cells(path, "code"))
    assert all(cell["execution_count"] is None for cell in cells(path, "code"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_starts_with_what_it_shows_and_needs(path: Path) -> None:
    first = json.loads(path.read_text(encoding="utf-8"))["cells"][0]
    assert first["cell_type"] == "markdown"
    assert source(first).startswith(f"# {path.name[:2]} · ")
    assert "\n\nShows: " in source(first) and "\n\nNeeds: " in source(first)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_without_what_it_needs_the_first_cell_says_what_to_run(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "params.yaml").touch()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    with pytest.raises(SystemExit, match=r"^This notebook needs .*run .*`(lmm-vqa|make) \w+"):
        exec(source(cells(path, "code")[0]), {})
    assert Path.cwd() == tmp_path  # it goes to the project's root first


def test_probes_need_labelled_videos_on_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.pipeline.stages.test_report import make_project

    (tmp_path / "params.yaml").touch()
    monkeypatch.chdir(tmp_path)
    make_project()  # tokens of six test videos only
    path = next(path for path in NOTEBOOKS if path.name.startswith("02"))
    with pytest.raises(SystemExit, match="5 labelled videos in each of train and test; demo has"):
        exec(source(cells(path, "code")[0]), {})
