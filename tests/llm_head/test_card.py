import pandas as pd
import pytest

from llm_head.card import card, substitutes, warnings

WRITTEN = {
    "settings": {"llm": "org/llm", "lora_rank": 0, "tokens": "both", "seconds": 8, "epochs": 2},
    "llm": {"name": "org/llm", "identity": {"commit": "abc"}},
    "fingerprints": {"spatial": {"model": "ViT-L-14"}, "temporal": {"model": "i3d"}},
    "random_encoders": [],
    "best_epoch": 1.0,
    "data": {"konvid": {"mos_source": "human", "train": 80, "val": 20}},
}
HISTORY = pd.DataFrame({"epoch": [1.0, 2.0], "val_srcc": [0.5, 0.62]})


def test_the_card_says_data_metrics_and_limits() -> None:
    text = card(WRITTEN, HISTORY, "SRCC 0.6 on unseen videos", ["llm: by org. Licence: MIT."])
    head, _, body = text.removeprefix("---\n").partition("---\n")
    assert 'base_model: "org/llm"' in head and "library_name: lmm-vqa" in head
    for part in (
        "konvid: 80 videos to train, 20 to choose the epoch; labels: human.",
        "SRCC 0.500 on the validation videos, whose loss chose it, so optimistic.",
        "SRCC 0.6 on unseen videos",
        "- llm: by org. Licence: MIT.",
        "## Limits",
    ):
        assert part in body


def test_the_limits_are_those_of_what_was_trained() -> None:
    plain = card(WRITTEN, HISTORY)
    assert "Free questions have not been trained." in plain and "two scores are" in plain
    more = {**WRITTEN, "settings": {**WRITTEN["settings"], "pairs": 0.5}, "other_tasks": ["camera"]}
    text = card(more, HISTORY)
    assert "conversations about camera only." in text and "0.5 pairs per video" in text


def test_a_card_without_measurements_says_so() -> None:
    empty = {**WRITTEN, "data": {}, "llm": {"name": "data/llm", "identity": {"config.json": "0"}}}
    text = card(empty, pd.DataFrame({"epoch": [1.0], "val_srcc": [float("nan")]}))
    assert "base_model" not in text
    for part in ("not measured", "Not recorded.", "too few labelled validation videos"):
        assert part in text


@pytest.mark.parametrize("random", [[], ["temporal"]])
def test_what_must_be_said(random: list[str]) -> None:
    written = {**WRITTEN, "random_encoders": random}
    assert substitutes(written) == ["temporal i3d instead of slowfast_r50"]
    said = warnings(written)
    assert len(said) == 1 + len(random)
    assert all(f"**{line}**" in card(written, HISTORY) for line in said)
    paper = {kind: {"model": m} for kind, m in (("spatial", "ViT-L-14"),)}
    assert warnings({**WRITTEN, "fingerprints": paper}) == []


def test_a_model_that_saw_no_scores_says_that_its_own_mean_nothing() -> None:
    unrated = {"motion": {"mos_source": "none", "train": 168, "val": 21}}
    (said, _) = warnings({**WRITTEN, "data": unrated})
    assert "scores mean nothing" in said
    assert len(warnings({**WRITTEN, "data": {**unrated, **WRITTEN["data"]}})) == 1


def test_a_head_that_was_not_taught_the_level_says_so() -> None:
    assert len(warnings({**WRITTEN, "taught": {"level": []}})) == 1
    said = warnings({**WRITTEN, "taught": {"score": []}})
    assert "It was not taught the level: its scores and levels mean nothing." in said
