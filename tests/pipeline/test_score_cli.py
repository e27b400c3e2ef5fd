import json
import os
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from pipeline import file_tokens, scoring
from pipeline.cli import app
from pipeline.score_log import COLUMNS


@pytest.fixture
def clips(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of two videos and a broken one, next to where we stand."""
    (tmp_path / "clips").mkdir()
    for name in ("c0.mp4", "c1.mp4"):
        shutil.copy(tiny_model.parent / "clips" / name, tmp_path / "clips" / name)
    (tmp_path / "clips/broken.mp4").write_text("no video")
    monkeypatch.chdir(tmp_path)
    return Path("clips")


@pytest.fixture
def run(tiny_model: Path):
    def command(*arguments: object) -> Result:
        given = [str(argument) for argument in arguments]
        return CliRunner().invoke(app, [*given, "--model", str(tiny_model), "--device", "cpu"])

    return command


def test_a_table_for_people(run, clips: Path) -> None:
    done = run("score", clips / "c0.mp4", "--timeline")
    assert done.exit_code == 0
    first, why, bars = done.stdout.splitlines()
    assert re.fullmatch(r" *\d+\.\d ±  ?\d+\.\d  \w+ +clips/c0\.mp4", first)
    assert "impair" in why
    assert re.fullmatch(r" +[▁▂▃▄▅▆▇█]{2}", bars)


def test_json_has_a_line_per_video_and_failures_do_not_stop_it(run, clips: Path) -> None:
    done = run("score", clips, "--json")
    assert done.exit_code == 1
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["video"] for row in rows] == [f"clips/{n}.mp4" for n in ("broken", "c0", "c1")]
    assert "not a video" in rows[0]["error"]
    assert 0 <= rows[1]["score"] <= 100 and rows[1]["timeline"] == []
    assert "1 of 3 videos failed" in done.stderr


def test_an_interrupted_table_continues(run, clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[str] = []
    encode = file_tokens.encode_video

    def counted(job, run):
        encoded.append(job.video.path.name)
        if len(encoded) == 3:
            raise KeyboardInterrupt
        return encode(job, run)

    monkeypatch.setattr("pipeline.file_tokens.encode_video", counted)
    assert run("score", clips, "--csv", "t.csv").exit_code != 0
    with Path("t.csv").open("a") as torn:
        torn.write("clips/c1.mp4,50.0,1")
    done = run("score", clips, "--csv", "t.csv", "--json")
    assert done.exit_code == 1
    # what was scored is not encoded again; what failed is tried again
    assert encoded == ["broken.mp4", "c0.mp4", "c1.mp4", "broken.mp4", "c1.mp4"]
    table = pd.read_csv("t.csv")
    assert tuple(table.columns) == COLUMNS
    assert table["video"].tolist() == [f"clips/{n}.mp4" for n in ("broken", "c0", "c1")]
    assert [json.loads(line).get("score") for line in done.stdout.splitlines()][1:] == table[
        "score"
    ].tolist()[1:]
    # with a timeline asked for, rows without one do not count
    run("score", clips / "c0.mp4", "--csv", "t.csv", "--timeline")
    run("score", clips / "c0.mp4", "--csv", "t.csv", "--timeline")
    assert encoded[5:] == ["c0.mp4"]
    assert len(json.loads(pd.read_csv("t.csv")["timeline"][0])) == 2


def test_a_file_that_has_changed_is_scored_again(run, clips: Path) -> None:
    run("score", clips / "c0.mp4", "--csv", "t.csv")
    before = pd.read_csv("t.csv")
    shutil.copy(clips / "c1.mp4", clips / "c0.mp4")
    run("score", clips / "c0.mp4", "--csv", "t.csv")
    after = pd.read_csv("t.csv")
    assert len(after) == 1 and after["sha256"][0] != before["sha256"][0]


def test_a_csv_that_is_something_else_stays_as_it_is(run, clips: Path) -> None:
    Path("labels.csv").write_text("filename,mos\na,1\n")
    done = run("score", clips / "c0.mp4", "--csv", "labels.csv")
    assert done.exit_code != 0
    assert "is no table of scores" in str(done.exception)
    assert Path("labels.csv").read_text() == "filename,mos\na,1\n"


def test_a_table_of_before_the_severity_goes_on(run, clips: Path) -> None:
    assert run("score", clips / "c0.mp4", "--csv", "out.csv").exit_code == 0
    whole = pd.read_csv("out.csv", dtype=str, keep_default_na=False)
    whole.drop(columns=["severity_answer", "severity_prob"]).to_csv("out.csv", index=False)
    assert run("score", clips / "c0.mp4", clips / "c1.mp4", "--csv", "out.csv").exit_code == 0
    table = pd.read_csv("out.csv", dtype=str, keep_default_na=False)
    assert tuple(table.columns) == COLUMNS
    assert table["severity_answer"][0] == "" and table["score"][0] == whole["score"][0]


@pytest.mark.parametrize("name", ["p.png", "p.svg"])
def test_a_plot(run, clips: Path, name: str) -> None:
    assert run("score", clips / "c0.mp4", clips / "c1.mp4", "--plot", name).exit_code == 0
    start = Path(name).read_bytes()[:200]
    assert start.startswith(b"\x89PNG") or b"<?xml" in start


@pytest.mark.parametrize(
    "arguments",
    [
        ("score", "gone.mp4"),
        ("score",),
        ("score", "clips", "--plot", "p.gif"),
        ("score", "clips", "--min", "101"),
        ("score", "clips", "--window", "0"),
        ("score", "empty.txt"),
        ("ask", "clips/c0.mp4"),
    ],
)
def test_a_wrong_command_line_is_2_before_anything_is_loaded(
    clips: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.score_cli._scorer", lambda *_: pytest.fail("loaded"))
    Path("empty.txt").write_text("# nothing\n")
    assert CliRunner().invoke(app, list(arguments)).exit_code == 2


def test_an_answer_is_one_line_and_steers_no_terminal(
    run, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring.Scorer, "ask", lambda *_: "Blur.\n\nAnd \x1b[2Jmore.")
    assert run("ask", clips / "c0.mp4", "What?").stdout == "Blur. And ?[2Jmore.\n"


def test_ask_and_compare(run, clips: Path) -> None:
    asked = run("ask", clips / "c0.mp4", "What is it?")
    assert asked.exit_code == 0
    assert asked.stdout == run("ask", clips / "c0.mp4", "What is it?").stdout
    found = json.loads(run("compare", clips / "c0.mp4", clips / "c1.mp4", "--json").stdout)
    rows = run("score", clips / "c0.mp4", clips / "c1.mp4", "--json").stdout.splitlines()
    a, b = (json.loads(row)["score"] for row in rows)
    assert found["difference"] == pytest.approx(a - b, abs=2e-4)
    said = run("compare", clips / "c0.mp4", clips / "c1.mp4").stdout
    better = "c0" if a > b else "c1"
    assert said.startswith(f"clips/{better}.mp4 is better than")


def test_a_hostile_name_does_not_reach_the_terminal(run, clips: Path) -> None:
    name = clips / "a\x1b[31m.mp4"
    shutil.copy(clips / "c0.mp4", name)
    done = run("score", name)
    assert done.exit_code == 0 and "\x1b" not in done.stdout


def test_a_name_that_is_no_text_is_written_out(run, clips: Path) -> None:
    odd = os.fsdecode(b"clips/caf\xe9.mp4")
    shutil.copy(clips / "c0.mp4", odd)
    for _ in range(2):  # the second time from the table
        done = run("score", odd, "--csv", "t.csv", "--json")
        assert done.exit_code == 0
        assert json.loads(done.stdout)["video"] == r"clips/caf\xe9.mp4"
    assert pd.read_csv("t.csv")["video"].tolist() == [r"clips/caf\xe9.mp4"]
