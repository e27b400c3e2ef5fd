"""Profiles say what they claim, and differ where they say."""

from pathlib import Path
from typing import Any

import yaml

from pipeline.settings import load

PROFILES = Path(__file__).parents[1] / "profiles"


def flat(name: str) -> dict[str, Any]:
    sections = yaml.safe_load((PROFILES / f"{name}.yaml").read_text())
    return {
        f"{section}.{key}": value
        for section, content in sections.items()
        for key, value in (content.items() if isinstance(content, dict) else [("", content)])
    }


def test_the_papers_setting() -> None:
    paper = load(PROFILES / "paper.yaml")
    assert (paper.spatial.model, paper.spatial.pretrained) == ("ViT-L-14", "openai")
    assert (paper.spatial.frame, paper.spatial.size_px, paper.spatial.grid) == (
        "centre_crop",
        224,
        0,
    )
    assert (paper.temporal.model, paper.temporal.pathway) == ("slowfast_r50", "both")
    assert (paper.temporal.frames, paper.temporal.clip) == (32, "spread")
    assert (paper.tune.lora_rank, paper.tune.learning_rate) == (0, 1e-3)
    assert paper.tune.train_on == ("lsvq",)
    assert paper.protocol.parts == (1, 2, 3, 4, 5) and paper.protocol.start == "model"
    zero_shot = set(paper.datasets) - set(paper.tune.train_on)
    assert set(paper.protocol.fine_tune) < zero_shot


def test_the_authors_code_differs_in_what_its_head_says() -> None:
    paper, code = flat("paper"), flat("authors-code")
    differing = {key: code[key] for key in paper.keys() | code.keys() if paper[key] != code[key]}
    assert differing == {
        "temporal.clip": "consecutive",
        "instruct.levels": "percentile",
        "tune.time": "mean",
        "tune.epochs": 6,
    }


def test_understanding_is_learned_and_tested_on_the_set_that_it_makes() -> None:
    found = load(PROFILES / "understanding.yaml")
    (name,) = found.motion.datasets
    assert found.tune.train_on == (name,) and set(found.datasets) == {name}
    assert found.datasets[name].root == Path("data/raw") / name
    assert found.conversations.files[name] == Path(f"data/raw/{name}/conversations.json")
    asked = found.answer.questions[name]
    assert (asked.file, asked.format) == (Path(f"data/raw/{name}/questions"), "mvbench")
