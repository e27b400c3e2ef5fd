from pathlib import Path
from typing import Any

import pytest

from pipeline import weights
from pipeline.settings import WeightsSettings
from pipeline.stages.weights import run


@pytest.mark.parametrize("part", ["spatial", "temporal", "llm"])
def test_makes_the_folder_of_the_part_by_its_setting(
    part: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(weights, "make", lambda *given: asked.append(given))
    settings = WeightsSettings(spatial="efficientnet_lite0", temporal="i3d", llm="smollm2_135m")
    run(part, settings)
    assert asked == [(part, getattr(settings, part), Path("data/weights") / part)]


def test_none_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run("llm", WeightsSettings(spatial="none", temporal="none", llm="none"))
    assert [p.name for p in Path("data/weights/llm").iterdir()] == ["README"]


def test_every_choice_of_the_settings_is_shipped() -> None:
    for part, field in WeightsSettings.model_fields.items():
        for choice in set(field.annotation.__args__) - {"none"}:
            assert (part, choice) in weights.SHIPPED
