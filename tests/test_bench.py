"""Each group of `make bench` runs, on the smallest setting: so that none rots."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
import torch

from benchmarks import (
    bench,
    encoding,
    extraction,
    growth,
    heads,
    instead,
    reading,
    reruns,
    runtimes,
)
from benchmarks.bare import bare, inputs
from benchmarks.measure import KINDS, RUN, Networks, Row, made_up_video
from pipeline.settings import Params, TemporalSettings
from tests.synthetic import make_params
from tests.tiny_llm import save_tiny_llm
from tests.tiny_model import SPATIAL, TEMPORAL

pytestmark = pytest.mark.slow
TINY = {"heights": (64,), "seconds": 1, "turns": 1}


def tiny_params(llm: Path) -> Params:
    tuned = make_params(str(llm))
    return tuned.model_copy(update={"spatial": SPATIAL, "temporal": TEMPORAL})


SETTINGS: dict[str, Callable[[Path], list[Row]]] = {
    "extraction": lambda _: extraction.measure(
        extraction.Setting(**TINY, videos=1, workers=0, batches_s=(1, 2))
    ),
    "instead": lambda _: instead.measure(
        instead.Setting(**TINY, videos=1, workers=0, slowfast_px=0)
    ),
    "reruns": lambda _: reruns.measure(
        reruns.Setting(rows=(3,), changed_rows=2, dvc_rows=(), turns=1, clip_s=1, clip_height=64)
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
                "held_minutes": (0.05, 0.2),
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


def test_every_way_to_run_a_network_gives_the_same_map() -> None:
    nets = Networks(SPATIAL, TEMPORAL)
    for kind in KINDS:
        x = inputs(nets, kind, 2)
        with torch.inference_mode():
            wanted = bare(nets)[kind](x)
            for through, layout in product(("oneDNN", "PyTorch"), encoding.LAYOUTS):
                found = encoding.network(nets, kind, through, layout)(x)
                torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)


def test_bare_networks_are_of_the_kinds_that_can_be_cut() -> None:
    slowfast = TemporalSettings(model="slowfast_r50", pretrained="random", frames=4, size_px=64)
    with pytest.raises(SystemExit, match="names efficientnet_lite0 and slowfast_r50"):
        bare(Networks(SPATIAL, slowfast))


def test_the_best_way_is_named_and_compared() -> None:
    batch = encoding.Way(seconds=4, threads=2)
    took = {encoding.Way(): 0.03, batch: 0.02, encoding.Way("PyTorch"): 0.05}
    rows = encoding._compared("temporal", took, 0.04, "a second", Networks(SPATIAL, TEMPORAL))
    assert [round(row.value) for row in rows[:3]] == [30, 20, 50]
    network, whole = rows[3:]
    assert str(batch) in network.name and network.value == pytest.approx(1.5)
    assert whole.value == pytest.approx(0.04 / 0.03)


def test_a_loop_with_both_pathways_gives_the_fast_ones_tokens(tmp_path: Path) -> None:
    clip = made_up_video(tmp_path / "64.mp4", 64, 1)
    setting = instead.Setting(**TINY, slowfast_px=64, workers=0)
    rows = instead.with_slowfast([clip], Networks(SPATIAL, TEMPORAL), RUN, setting)
    assert [row.goal for row in rows] == [">= 3", "", "<= 0.01"]
    assert rows[-1].met


def test_what_a_runtime_takes_is_printed_or_that_it_is_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*_: object) -> runtimes.Run:
        raise ImportError("No module named 'another'")

    monkeypatch.setattr(runtimes, "networks", lambda: Networks(SPATIAL, TEMPORAL))
    monkeypatch.setattr(runtimes, "keep_memory", lambda: None)
    monkeypatch.setattr(runtimes, "OTHERS", {"Another": missing, "Ourselves": runtimes.here})
    monkeypatch.setattr(runtimes, "TURNS", 1)
    runtimes.main()
    _, _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[1] for line in lines] == 2 * ["Another", "Ourselves"]
    assert lines[0].endswith("| not run: No module named 'another' | | |")
    assert lines[1].endswith("| 0.0e+00 |")


def test_what_dvc_takes_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    reruns.main(["--dvc", "3"])
    _, _, *lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6 and all("| 3 videos |" in line for line in lines)
    assert "one video added" in lines[4] and "one setting changed" in lines[5]
    assert not [*tmp_path.glob("reruns-*")]
