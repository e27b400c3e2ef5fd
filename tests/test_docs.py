"""Every block of README.md and docs/: commands are run, settings are read, names and links exist.

An indented block and one fenced `sh` is commands, `yaml` settings, `python` code; `text` and
`mermaid` are for looking at. A command that is not run stands in ELSEWHERE with the reason.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.settings import Params
from tests.pipeline.report.test_folds import part
from tests.test_dvc import copy_project
from tests.tiny_model import SPATIAL, TEMPORAL

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
MADE = {"docs/commands.md", "docs/settings.md"}  # compared with their generator instead

# page and start of a command: why it is not run here; a name of a test is the one that runs it
ELSEWHERE = {
    ("docs/performance.md", "make bench"): "test_a_group_runs",
    ("docs/performance.md", "python -m benchmarks"): "test_a_group_runs",
    ("docs/scale.md", "python -m benchmarks.bench"): "test_a_group_runs",
    ("docs/scale.md", "python -m benchmarks.growth"): "minutes; the group has its parts",
    ("README.md", "make demo"): "the whole demo; .ci/run makes a reduced one",
    ("README.md", "make test"): "this is part of it",
    ("README.md", "lmm-vqa web"): "test_a_dropped_video_shows_what_score_says",
    ("docs/web.md", "lmm-vqa web"): "test_a_dropped_video_shows_what_score_says",
    ("docs/web.md", "pip "): "installs what `make install` has installed",
    ("docs/tutorial.md", "make install"): "installs; it is how these tests came to run",
    ("docs/tutorial.md", "make demo"): "the whole demo; .ci/run makes a reduced one",
    ("docs/tutorial.md", "source "): "of the reader's own shell",
    ("docs/tutorial.md", "git checkout "): "git's own, and the copy here has no commit",
    ("docs/benchmarks.md", "lmm-vqa baseline "): "test_every_labelled_video_is_scored_once",
    ("docs/cluster.md", "dask "): "test_machines_that_share_only_a_folder_give_the_same_bytes",
    ("docs/cluster.md", "lmm-vqa extract mine --scheduler tcp"): (
        "test_machines_that_share_only_a_folder_give_the_same_bytes"
    ),
    ("docs/cluster.md", "sbatch "): "test_the_slurm_job_runs_as_it_is",
    ("docs/gate.md", "ffmpeg "): "test_the_commands_of_the_docs",
    ("docs/gate.md", "lmm-vqa "): "test_the_commands_of_the_docs",
    ("docs/gate.md", "for crf in"): "test_the_commands_of_the_docs",
    ("docs/gate.md", "if lmm-vqa"): "test_the_commands_of_the_docs",
    ("docs/gate.md", "passed=no"): "test_the_commands_of_the_docs",
    ("docs/gate.md", "[ $passed"): "test_the_commands_of_the_docs",
    ("docs/gate.md", "done"): "test_the_commands_of_the_docs",
    ("docs/own-features.md", "lmm-vqa temporal "): (
        "test_features_are_imported_by_the_same_stages"
    ),
    ("docs/understanding.md", "dvc repro conversations@NAME"): (
        "test_what_others_ask_and_answer_is_learned_and_tested"
    ),
    ("docs/understanding.md", "dvc repro answer@NAME"): (
        "test_what_others_ask_and_answer_is_learned_and_tested"
    ),
    ("docs/understanding.md", "lmms-eval "): "test_what_lmms_eval_is_told_is_what_ask_says",
    ("docs/understanding.md", "pip "): "installs what that test needs and CI does without",
    ("docs/tuning.md", "accelerate "): (
        "test_two_processes_end_where_one_with_twice_the_batch_does"
    ),
    ("docs/tuning.md", "torchrun "): "test_two_processes_end_where_one_with_twice_the_batch_does",
    ("docs/tuning.md", "dvc commit "): "of an output that the line above makes",
    ("docs/scoring.md", "lmm-vqa model pu"): "test_the_commands_by_the_client_s_own_settings",
}
PYTHON_ELSEWHERE = {"docs/new-dataset.md": "test_the_page_s_adapter_reads_the_page_s_data_set"}
STANDS_FOR = {"NAME": "mine", "[CACHE...]": "mine", " A B": " mine/spatial mine/spatial"}
STANDS_FOR |= {"CACHE FOLDER": "mine/spatial exported"}
OURS = ("pipeline", "encoders", "llm_head", "tests", "benchmarks", "docs", "profiles", "notebooks")
MAY_END = {"--min ": (0, 3), "doctor": (0, 1)}  # a gate may be shut, a machine may lack something


def blocks(page: str, *kinds: str) -> list[str]:
    """Return the contents of a page's blocks of these kinds; `sh` includes indented ones."""
    found = MarkdownIt().parse((ROOT / page).read_text(encoding="utf-8"))
    named = [
        ("sh" if token.type == "code_block" else token.info, token.content)
        for token in found
        if token.type in ("code_block", "fence")
    ]
    unknown = {kind for kind, _ in named} - {"sh", "yaml", "python", "text", "mermaid"}
    assert page in MADE or not unknown, f"{page}: blocks of kind {unknown}"
    return [content for kind, content in named if kind in kinds]


def commands(page: str) -> list[str]:
    """Return a page's commands that are run here."""
    lines = [line.strip() for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in filter(None, lines) if not reason(page, line)]


def reason(page: str, line: str) -> str | None:
    """Return why a command is not run here."""
    whys = (why for (of, start), why in ELSEWHERE.items() if of == page and line.startswith(start))
    return next(whys, None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """Return a project as the pages suppose it: clips, a data set, its tokens, a model, results."""
    root = copy_project(tmp_path_factory.mktemp("docs") / "project")
    clips = sorted((tiny_model.parent / "clips").glob("*.mp4"))
    videos = [f"videos/{name}" for name in ("holiday.mp4", "trip/beach.mp4", "c.mp4")]
    for number, name in enumerate(
        ["holiday.mp4", "clip.mp4", "a.mp4", "b.mp4", "clips/c.mp4", *videos]
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clips[number % len(clips)], root / name)
    (root / "more.txt").write_text("a.mp4\nb.mp4\n")
    labels = ("filename,mos", "holiday.mp4,3.2", "trip/beach.mp4,4.5", "c.mp4,1.5")
    (root / "videos/labels.csv").write_text("\n".join(labels) + "\n")
    params = yaml.safe_load((root / "params.yaml").read_text())
    mine = {"root": "videos", "labels": "labels.csv", "mos_min": 1, "mos_max": 5}
    params |= {"datasets": {"mine": mine}, "evaluate": {"bootstrap": 100}}
    params |= {"spatial": SPATIAL.model_dump(mode="json")}
    params |= {"temporal": TEMPORAL.model_dump(mode="json")}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    shutil.copytree(tiny_model, root / "results/model")
    with chdir(root):
        for stage in ("manifest mine", "extract mine", "predict mine", "hashes mine", "leaks"):
            run(f"lmm-vqa {stage}")
        run("lmm-vqa evaluate")
        for name in ("a/predictions", "b/predictions", "results/predictions"):
            Path(name).mkdir(parents=True, exist_ok=True)
            part(seed=1).to_csv(f"{name}/demo.csv", index=False)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if page not in MADE and commands(page)])
def test_commands(
    page: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shutil.copytree(finished, tmp_path / "project"))
    own = Path("params.yaml").read_text()
    for line in commands(page):
        if line.startswith("lmm-vqa"):  # profiles are only planned with: they name large networks
            Path("params.yaml").write_text(own)
        run(line)


def test_what_is_not_run_is_there_and_its_test_too() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for (page, start), why in ELSEWHERE.items():
        lines = [line.strip() for block in blocks(page, "sh") for line in block.splitlines()]
        assert any(line.startswith(start) for line in lines), (page, start)
        assert not why.startswith("test_") or f"def {why}(" in tests, why
    assert all(f"def {test}(" in tests for test in PYTHON_ELSEWHERE.values())


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_python(
    page: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if page in PYTHON_ELSEWHERE:
        pytest.skip(f"run by {PYTHON_ELSEWHERE[page]}")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_model, "results/model")
    shutil.copy(tiny_model.parent / "clips/c0.mp4", "clip.mp4")
    for block in blocks(page, "python"):
        exec(block, {})
    assert 0 <= float(capsys.readouterr().out) <= 100


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "yaml")])
def test_settings_are_read(page: str) -> None:
    known = yaml.safe_load((ROOT / "params.yaml").read_text())
    for block in blocks(page, "yaml"):
        given = yaml.safe_load(block)
        found = {name: {**known[name], **values} for name, values in given.items()}
        found.setdefault("datasets", {**known["datasets"], "mine": {"root": "videos"}})
        Params.model_validate({**known, **found})


@pytest.mark.parametrize("page", PAGES)
def test_links_and_file_names_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), target
        assert not heading or heading in headings(path), target
    mentioned = re.findall(r"`((?:[a-z_]+/)+[\w.-]+\.(?:py|md|yaml|csv|html|sbatch|sh))", text)
    for name in mentioned:
        if name.split("/")[0] in OURS:
            example = "NAME" in name or "harbour" in name
            assert example or (ROOT / name).exists(), name


def headings(page: Path) -> set[str]:
    """Return the anchors that a page's headings have on GitHub."""
    found = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in found}


def test_the_tree_in_the_readme_is_the_project_s() -> None:
    (tree,) = (block for block in blocks("README.md", "text") if block.startswith("dvc.yaml"))
    folder = Path()
    for line in tree.splitlines():
        indent = len(line) - len(line.lstrip())
        if indent > 2:
            continue  # goes on describing
        names = line.strip().split("  ")[0].split()
        if not indent:
            folder = ROOT / names[0]
        for name in names:
            assert ((folder if indent else ROOT) / name).exists(), line
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for top in {name.split("/")[0] for name in tracked if "/" in name and name[0] != "."}:
        assert f"\n{top}/" in tree, f"{top}/ is not in the README's tree"


@pytest.mark.parametrize("page", PAGES)
def test_make_has_the_targets_that_are_named(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"(?:`|^    )make ([a-z]+)", text, re.MULTILINE):
        assert f"\n{target}: " in makefile, target


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs/README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"({page.name}" in index, page.name


def run(line: str) -> None:
    """Run one command as a reader would, in this process where it is ours."""
    line = line.split(" #")[0]
    for word, meant in STANDS_FOR.items():
        line = line.replace(word, meant)
    words = shlex.split(line, comments=True)
    if words[0] == "lmm-vqa":
        done = CliRunner().invoke(app, words[1:])
        wanted = next((codes for part, codes in MAY_END.items() if part in line), (0,))
        assert done.exit_code in wanted, (line, done.output, done.exception)
        return
    assert words[0] in ("cp", "dvc"), f"{line!r}: run it here, or add it to ELSEWHERE"
    # test_from_videos_to_report runs the graph; here it has to have what is asked for
    asked = words[2:] if words[:2] == ["dvc", "repro"] else []
    call = ["dvc", "stage", "list", "--name-only"] if words[:2] == ["dvc", "repro"] else words
    paths = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        call, env={**os.environ, "PATH": paths}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    assert set(asked) <= set(done.stdout.split()), (line, done.stdout)
