import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr

from llm_head import instruct
from llm_head.config import TuneConfig
from llm_head.data import choose
from llm_head.instruct import Record, Turn
from llm_head.readout import ReadOut
from llm_head.tune import Tuned, TuneError, tune
from pipeline.cache import Kind, TokenCache
from tests.synthetic import make_caches, make_manifest
from tests.tiny_llm import save_tiny_llm


def make_config(folder: Path, **changes: Any) -> TuneConfig:
    config = TuneConfig(
        llm=str(folder / "llm"),
        dtype="float32",
        quantize="none",
        lora_rank=0,
        train_llm=False,
        gradient_checkpointing=False,
        tokens="both",
        time="ordered",
        seconds=2,
        projector="mlp",
        queries=8,
        markers=False,
        cue="none",
        epochs=1,
        batch_size=4,
        accumulate=1,
        learning_rate=5e-3,
        weight_decay=0.0,
        warmup_ratio=0.1,
        dropout=0.0,
        level_std=12.0,
        align_steps=0,
        align_weight=0.0,
        practice_steps=0,
        level_spread="fixed",
        rank_weight=0.0,
        rank_only=(),
        answer_weight=1.0,
        pairs=0.0,
        weights={},
        seed=0,
    )
    return replace(config, **changes)


def make_records(table: pd.DataFrame) -> list[Record]:
    names = dict.fromkeys(table["video_id"], "")
    return instruct.build(table, "d", ["score", "level", "motion"], names, seed=0)


def scores(tuned: Tuned, caches: dict[Kind, TokenCache], videos: list[str]) -> list[float]:
    shape = tuned.model.projector.shape
    tokens = [
        choose({kind: cache.read(video).tokens for kind, cache in caches.items()}, shape, video)
        for video in videos
    ]
    return [
        answer.score for answer in ReadOut(tuned.model, tuned.chat, level_std=12).answers(tokens)
    ]


@pytest.mark.slow
def test_a_linear_mos_is_learned(tmp_path: Path) -> None:
    """32 videos to learn from; the rank correlation on videos never seen must exceed 0.9."""
    save_tiny_llm(tmp_path / "llm")
    table = make_manifest(96)
    table["split"] = ["train", "val", "test"] * 32
    caches = make_caches(tmp_path, table)
    tuned = tune(make_records(table), {"d": caches}, make_config(tmp_path, epochs=20), "cpu")
    test = table[table["split"] == "test"]
    found = scores(tuned, caches, test["video_id"].tolist())
    assert spearmanr(found, test["mos"]).statistic > 0.9
    losses = tuned.history["val_loss"].dropna()
    assert losses.iloc[-1] < losses.iloc[0]


@pytest.mark.slow
@pytest.mark.parametrize("lora_rank", [0, 2])
def test_two_runs_are_equal(tmp_path: Path, lora_rank: int) -> None:
    save_tiny_llm(tmp_path / "llm")
    table = make_manifest(12)
    caches = {"d": make_caches(tmp_path, table)}
    config = make_config(tmp_path, epochs=2, lora_rank=lora_rank, dropout=0.1)
    first, second = (tune(make_records(table), caches, config, "cpu") for _ in range(2))
    pd.testing.assert_frame_equal(first.history, second.history)
    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_history_has_losses_per_epoch(tmp_path: Path) -> None:
    save_tiny_llm(tmp_path / "llm")
    table = make_manifest(12)
    caches = {"d": make_caches(tmp_path, table)}
    tuned = tune(make_records(table), caches, make_config(tmp_path, epochs=2), "cpu")
    assert tuned.history.columns.tolist() == ["step", "epoch", "train_loss", "val_loss", "val_srcc"]
    measured = tuned.history.dropna(subset="val_srcc")
    assert measured["epoch"].tolist() == [1, 2]
    best = measured[measured["epoch"] == tuned.best_epoch]
    assert best["val_loss"].item() == measured["val_loss"].min()


def test_features_are_standardised_by_the_training_videos(tmp_path: Path) -> None:
    save_tiny_llm(tmp_path / "llm")
    table = make_manifest(12)
    caches = make_caches(tmp_path, table)
    tuned = tune(make_records(table), {"d": caches}, make_config(tmp_path), "cpu")
    train = table[table["split"] == "train"]["video_id"]
    tokens = np.concatenate([caches["temporal"].read(v).tokens for v in train]).astype(float)
    mlp = tuned.model.projector.standard["temporal"]
    np.testing.assert_allclose(mlp.get_buffer("mean"), tokens.mean(0), rtol=1e-5)
    np.testing.assert_allclose(mlp.get_buffer("std"), tokens.std(0), rtol=1e-4)


def test_labels_of_test_videos_change_nothing(tmp_path: Path) -> None:
    save_tiny_llm(tmp_path / "llm")
    table = make_manifest(12)
    caches = {"d": make_caches(tmp_path, table)}
    first = tune(make_records(table), caches, make_config(tmp_path), "cpu")
    table.loc[table["split"] == "test", "mos"] = 1.0
    second = tune(make_records(table), caches, make_config(tmp_path), "cpu")
    pd.testing.assert_frame_equal(first.history, second.history)


def test_other_peoples_records_can_be_mixed_in(tmp_path: Path) -> None:
    save_tiny_llm(tmp_path / "llm")
    table = make_manifest(6)
    table["split"] = "train"
    turns = (Turn("human", "Look:\n<video>"), Turn("gpt", "A test."), Turn("human", "And?"))
    foreign = Record("x", "v0", "d", "train", "other", (*turns, Turn("gpt", "Nothing.")))
    caches = {"d": make_caches(tmp_path, table)}
    tuned = tune([foreign, *make_records(table[1:])], caches, make_config(tmp_path), "cpu")
    assert tuned.history["train_loss"].notna().all()
    assert tuned.best_epoch == 1


def test_without_validation_the_last_parameters_stay(tmp_path: Path) -> None:
    save_tiny_llm(tmp_path / "llm")
    table = make_manifest(6)
    table["split"] = "train"
    caches = {"d": make_caches(tmp_path, table)}
    tuned = tune(make_records(table), caches, make_config(tmp_path, epochs=2), "cpu")
    assert tuned.best_epoch == 2
    assert tuned.history["val_srcc"].isna().all()


@pytest.mark.parametrize("bent_is_seen", [False, True])
def test_of_a_set_for_ranking_only_the_order_of_its_mos_is_learned(
    tmp_path: Path, bent_is_seen: bool
) -> None:
    save_tiny_llm(tmp_path / "llm")
    tables = {"d": make_manifest(12), "e": make_manifest(12, seed=1)}
    caches = {name: make_caches(tmp_path / name, table) for name, table in tables.items()}
    config = make_config(
        tmp_path, rank_weight=1.0, rank_only=() if bent_is_seen else ("e",), align_steps=3,
        align_weight=1.0, batch_size=4, pairs=0.5,
    )  # fmt: skip

    def projector() -> dict[str, torch.Tensor]:
        names = {name: dict.fromkeys(table["video_id"], "") for name, table in tables.items()}
        records = [
            record
            for name, table in tables.items()
            for record in instruct.build(
                table.assign(severity=np.where(table["mos"] < 50, "strong", "slight")),
                *(name, ["score", "level", "severity", "motion"], names[name]),
                seed=0,
            )
        ]
        return dict(tune(records, caches, config, "cpu").model.projector.state_dict())

    before = projector()
    tables["e"]["mos"] = 100 * (tables["e"]["mos"] / 100) ** 3  # other distances, the same order
    if not bent_is_seen:
        config = replace(config, rank_only=("d", "e"))
        with pytest.raises(TuneError, match="none would teach the scale"):
            projector()
        config = replace(config, rank_only=("e",))
    after = projector()
    same = all(torch.equal(before[name], after[name]) for name in before)
    assert same is not bent_is_seen


def test_validation_videos_of_two_scales_have_no_common_srcc(tmp_path: Path) -> None:
    save_tiny_llm(tmp_path / "llm")
    table = make_manifest(12)
    caches = {"d": make_caches(tmp_path, table)}
    records = make_records(table)
    other = [replace(record, dataset="e") for record in records]
    alone = tune(records, caches, make_config(tmp_path), "cpu")
    both = tune([*records, *other], {**caches, "e": caches["d"]}, make_config(tmp_path), "cpu")
    assert alone.history["val_srcc"].notna().any()
    assert both.history["val_srcc"].isna().all()
    unrated = [replace(record, task="other", mos=None) for record in other]
    told = tune([*records, *unrated], {**caches, "e": caches["d"]}, make_config(tmp_path), "cpu")
    assert told.history["val_srcc"].notna().any()


def test_videos_without_tokens_are_named_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_tiny_llm(tmp_path / "llm")
    table = make_manifest(12)
    caches = make_caches(tmp_path, table[1:])
    with caplog.at_level(logging.WARNING, "llm_head"):
        tune(make_records(table), {"d": caches}, make_config(tmp_path), "cpu")
    assert "1 videos have no tokens and are left out: ['v0']" in caplog.text


def test_nothing_to_train_on_is_an_error(tmp_path: Path) -> None:
    save_tiny_llm(tmp_path / "llm")
    table = make_manifest(6)
    table["split"] = "test"
    caches = {"d": make_caches(tmp_path, table)}
    with pytest.raises(TuneError, match="split train"):
        tune(make_records(table), caches, make_config(tmp_path), "cpu")


def test_training_sets_must_fit_together(tmp_path: Path) -> None:
    save_tiny_llm(tmp_path / "llm")
    table = make_manifest(6)
    caches = {
        "d": make_caches(tmp_path / "d", table),
        "e": make_caches(tmp_path / "e", table, fingerprint={"model": "other", "random": False}),
    }
    with pytest.raises(TuneError, match="spatial caches of the training sets"):
        tune(make_records(table), caches, make_config(tmp_path), "cpu")
    with pytest.raises(TuneError, match=r"\['d'\]"):
        tune(make_records(table), {"e": caches["e"]}, make_config(tmp_path), "cpu")


@pytest.mark.slow
def test_two_batches_of_two_make_the_step_of_one_batch_of_four(tmp_path: Path) -> None:
    save_tiny_llm(tmp_path / "llm")
    table = make_manifest(12)
    caches = {"d": make_caches(tmp_path, table)}
    whole = make_config(tmp_path, warmup_ratio=0.0)
    halves = replace(whole, batch_size=2, accumulate=2)
    one, other = (tune(make_records(table), caches, c, "cpu") for c in (whole, halves))
    assert one.history["step"].max() == other.history["step"].max()
    for p, q in zip(one.model.parameters(), other.model.parameters(), strict=True):
        torch.testing.assert_close(p, q, atol=2e-3, rtol=0)
