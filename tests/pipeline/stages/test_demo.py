import pytest

from pipeline import layout
from pipeline.demo.make import DemoError
from pipeline.demo.sources import DEMO, DEMO_WILD
from pipeline.settings import DemoSettings
from pipeline.stages import demo

SETTINGS = DemoSettings(shots=8, wild_shots=3, clips_per_shot=6, clip_s=2.0)


def test_makes_both_sets(monkeypatch):
    calls = []
    monkeypatch.setattr(demo, "build", lambda *arguments: calls.append(arguments))
    demo.run(SETTINGS, seed=7, workers=2)
    assert calls == [
        (DEMO, layout.FOOTAGE, layout.raw("demo"), 8, SETTINGS, 7, 2),
        (DEMO_WILD, layout.FOOTAGE, layout.raw("demo_wild"), 3, SETTINGS, 7, 2),
    ]


def test_without_footage_it_says_which_stage_is_missing(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DemoError, match="run stage footage first"):
        demo.run(SETTINGS, seed=0)
