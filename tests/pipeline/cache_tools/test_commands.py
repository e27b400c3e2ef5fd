"""`lmm-vqa cache ...` as a user types it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cache import INDEX, CacheError, token_file
from pipeline.cli import app

Make = Callable[..., Path]


def run(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["cache", *words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout


def test_ls(project: Make) -> None:
    project("a")
    project("b", random=True)
    (Path("data/b/temporal") / INDEX).unlink()
    rows = {line.split()[0]: line for line in run("ls").splitlines()}
    assert len(rows) == 5
    assert "finished" in rows["data/a/spatial"] and "3 x 12" in rows["data/a/spatial"]
    assert "RANDOM WEIGHTS" in rows["data/b/spatial"] and "RANDOM" not in rows["data/a/spatial"]
    assert "unfinished" in rows["data/b/temporal"]
    run("pack", "a/spatial")
    (line,) = json.loads(run("ls", "a/spatial", "--json"))
    assert (line["videos"], line["packed"], line["chunks"]) == (6, 6, 12)


def test_a_name_that_means_nothing_is_an_error(project: Make) -> None:
    project("a")
    with pytest.raises(CacheError, match="'b': no token cache"):
        run("ls", "b")
    with pytest.raises(CacheError, match="'a' means 2 caches"):
        run("diff", "a", "a/spatial")


def test_verify_ends_with_1_if_anything_is_bad(project: Make, flip: Callable[[Path], None]) -> None:
    folder = project("a")
    assert run("verify", "--manifest").count("all as written") == 2
    flip(token_file(folder / "spatial", "v1"))
    assert "1 BAD" in run("verify", "a", code=1)
    (found,) = json.loads(run("verify", "a/spatial", "--json", code=1))
    assert list(found["bad"]) == ["v1"]
    run("verify", "a/spatial", "--discard", code=1)
    assert not token_file(folder / "spatial", "v1").exists()


def test_diff_ends_as_diff_does(project: Make) -> None:
    project("a"), project("b"), project("c", seed=1)
    assert run("diff", "a/spatial", "data/b/spatial") == "6 videos in both, 0 differ\n"
    assert "6 differ" in run("diff", "a/spatial", "c/spatial", code=1)
    assert len(json.loads(run("diff", "a/spatial", "c/spatial", "--json", code=1))["videos"]) == 6


def test_prune_only_says_until_told(project: Make) -> None:
    folder = project("a") / "spatial"
    stray = folder / "stray.h5"
    stray.write_bytes(b"x")
    assert "would remove 1 token files" in run("prune", "a/spatial") and stray.exists()
    assert "removed 1 token files" in run("prune", "a/spatial", "--yes") and not stray.exists()


def test_pack_unpack_export(project: Make, tmp_path: Path) -> None:
    folder = project("a") / "spatial"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run("pack", "a")
    assert not list(folder.glob("*.h5"))
    run("export", "a/spatial", str(tmp_path / "out"))
    assert len(list((tmp_path / "out").glob("*.safetensors"))) == 6
    run("export", "a/spatial", str(tmp_path / "new"), "--format", "csv", code=2)
    run("unpack", "a")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
