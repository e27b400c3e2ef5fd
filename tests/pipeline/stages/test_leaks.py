from pathlib import Path

import pandas as pd
import pytest

from pipeline import layout, leaks
from pipeline.leaks import LeakError
from pipeline.settings import Params
from pipeline.stages import leaks as stage
from tests.synthetic import make_params


def write(dataset: str, rows: dict[str, tuple[str, str]]) -> None:
    table = pd.DataFrame(
        [[name, sha * 64, split, "1", ""] for name, (sha, split) in rows.items()],
        columns=leaks.COLUMNS,
    )
    layout.hashes(dataset).parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(layout.hashes(dataset), index=False)


def params(leaks: str = "stop") -> Params:
    made = make_params("llm")  # trains on syn; mine is tested on only
    return made.model_copy(update={"protocol": made.protocol.model_copy(update={"leaks": leaks})})


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    write("syn", {"v0": ("a", "train"), "v1": ("b", "val"), "v2": ("c", "test")})
    write("mine", {"w0": ("d", "test"), "w1": ("e", "val"), "w2": ("a", "train")})


def test_without_a_leak_the_file_says_so_and_does_not_change() -> None:
    stage.run(params())
    assert layout.LEAKS.read_text() == "train,test,why\n"
    write("mine", {"w0": ("f", "test")})
    before = layout.LEAKS.read_bytes()
    stage.run(params())
    assert layout.LEAKS.read_bytes() == before  # so that tune does not run again


def test_a_leak_across_data_sets_stops_with_the_names() -> None:
    write("mine", {"w0": ("a", "test"), "w1": ("b", "val")})
    with pytest.raises(LeakError, match=r"2 pairs .* mine/w0 is syn/v0 .* mine/w1 is syn/v1"):
        stage.run(params())
    assert len(pd.read_csv(layout.LEAKS)) == 2


def test_a_leak_within_a_data_set_stops_too() -> None:
    write("syn", {"v0": ("a", "train"), "v2": ("a", "test")})
    with pytest.raises(LeakError, match="syn/v2 is syn/v0"):
        stage.run(params())


def test_report_goes_on_and_names_them(caplog: pytest.LogCaptureFixture) -> None:
    write("mine", {"w0": ("a", "test")})
    stage.run(params("report"))
    assert "mine/w0 is syn/v0 (the same file)" in caplog.text
    assert len(pd.read_csv(layout.LEAKS)) == 1


def test_hashes_that_are_missing_are_named() -> None:
    layout.hashes("mine").unlink()
    with pytest.raises(LeakError, match="run `lmm-vqa hashes mine`"):
        stage.run(params())
