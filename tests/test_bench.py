"""Each group of `make bench` runs, on the smallest setting: so that none rots."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import bench, extraction, growth, heads, instead, reading, reruns
from benchmarks.measure import Row
from pipeline.settings import Params
from tests.synthetic import make_params
from tests.tiny_llm import save_tiny_llm
from tests.tiny_model import SPATIAL, TEMPORAL

pytestmark = pytest.mark.slow
TINY = {"heights": (64,), "seconds": 1, "turns": 1}


def tiny_params(llm: Path) -> Params:
    tuned = make_params(str(llm))
    return tuned.model_copy(update={"spatial": SPATIAL, "temporal": TEMPORAL})


SETTINGS: dict[str, Callable[[Path], list[Row]]] = {
    "extraction": lambda _: extraction.measure(extraction.Setting(**TINY, videos=1, workers=0)),
    "instead": lambda _: instead.measure(
        instead.Setting(**TINY, videos=1, workers=0, slowfast_px=0)
    ),
    "reruns": lambda _: reruns.measure(
        reruns.Setting(rows=(3,), dvc_rows=(), turns=1, clip_s=1, clip_height=64)
    ),
    "reading": lambda _: reading.measure(
        reading.Setting(
            shapes=("demo spatial (2, 2, 352)",), share=0.01, turns=1, loaders=(0,), grid=1
        )
    ),
    "heads": lambda folder: heads.measure(
        heads.Setting(
            tiny_params(save_tiny_llm(folder / "llm")),
            **{"llm": folder / "llm", "clips": 2, "clip_s": 1, "clip_height": 64},
            **{"turns": 1, "batch": 2},
        )
    ),
    "growth": lambda _: growth.measure(
        growth.Setting(
            **{"videos": (1, 2), "seconds": (1, 2), "heights": (64, 96), "rates": (10, 20)},
            **{
                "grids": (1, 2),
                "minutes": (),
                "repeats": 1,
                "tasks": 20,
                "workers": 0,
                "simulated": 100,
            },
        )
    ),
}


@pytest.mark.parametrize("group", bench.GROUPS)
def test_a_group_runs(
    group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("benchmarks.measure.load", lambda _: tiny_params(Path("llm")))
    monkeypatch.setitem(bench.GROUPS, group, lambda: SETTINGS[group](tmp_path))
    bench.main([group])
    found = json.loads(Path("results/bench.json").read_text())[group]
    assert found["machine"]["cores"] >= 1
    rows = [Row(**row) for row in found["rows"]]
    assert rows and all(row.unit or row.against for row in rows)
    assert all(row.size for row in rows)
    printed = capsys.readouterr().out
    assert all(f"| {row.name} |" in printed for row in rows)


def test_the_simulation_is_right_where_the_answer_is_known() -> None:
    # one worker: one task after the other; very many: the scheduler's time, and the last task
    assert growth.simulated(10, 1, 2.0, 0.0) == pytest.approx(20)
    assert growth.simulated(1000, 8, 1.0, 0.001) == pytest.approx(125, rel=0.02)
    assert growth.simulated(1000, 1000, 1.0, 0.01) == pytest.approx(11)
