import pytest

from pipeline import layout
from pipeline.settings import MotionSettings
from pipeline.stages import motion


def test_makes_the_set_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(motion, "build", lambda *arguments: calls.append(arguments))
    motion.run(MotionSettings(datasets=("pans",), scenes=4), "pans", seed=7, workers=2)
    assert calls == [(layout.FOOTAGE, layout.raw("pans"), 4, 7, 2)]
