from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llm_head import checkpoint
from llm_head.calibrate import fit_map
from llm_head.metrics import srcc
from llm_head.tune import tune
from tests.llm_head.test_tune import make_config, make_records
from tests.synthetic import FINGERPRINT, make_caches, make_manifest
from tests.tiny_llm import save_tiny_llm


def test_the_map_undoes_a_bent_scale_and_keeps_order() -> None:
    rng = np.random.default_rng(0)
    mos = rng.uniform(5, 95, 400)
    score = 30 + 40 * (mos / 100) ** 2 + rng.normal(scale=0.5, size=400)
    half = slice(0, 200)
    found = fit_map(score[half], mos[half])
    assert found is not None
    mapped = np.array([found(s) for s in score[200:]])
    error = np.sqrt(((mapped - mos[200:]) ** 2).mean())
    assert error < 5 < np.sqrt(((score[200:] - mos[200:]) ** 2).mean())
    assert srcc(mapped, score[200:]) == pytest.approx(1)
    assert (np.diff(found.score) > 0).all() and (np.diff(found.mos) > 0).all()
    assert [found(0.0), found(100.0)] == [0.0, 100.0]


def test_too_few_or_equal_scores_give_no_map() -> None:
    assert fit_map(range(19), range(19)) is None
    assert fit_map([50.0] * 30, range(30)) is None


def test_the_map_is_fitted_on_validation_and_kept_in_the_checkpoint(tmp_path: Path) -> None:
    save_tiny_llm(tmp_path / "llm")
    table = make_manifest(72)  # 24 in val
    caches = {"d": make_caches(tmp_path / "c", table)}
    config = make_config(tmp_path)
    tuned = tune(make_records(table), caches, config, "cpu")
    assert tuned.calibration is not None
    prints = {"spatial": FINGERPRINT, "temporal": FINGERPRINT}
    checkpoint.save(tmp_path / "model", tuned, config, prints)
    assert checkpoint.load(tmp_path / "model", prints, "cpu").calibration == tuned.calibration
    table.loc[table["split"] == "test", "mos"] = 1.0
    assert tune(make_records(table), caches, config, "cpu").calibration == tuned.calibration


def test_two_data_sets_have_no_map_in_common(tmp_path: Path) -> None:
    save_tiny_llm(tmp_path / "llm")
    table = make_manifest(72)
    caches = make_caches(tmp_path / "c", table)
    records = make_records(table)
    both = [
        replace(record, dataset="e") if int(record.video[1:]) % 2 else record for record in records
    ]
    assert tune(records, {"d": caches}, make_config(tmp_path), "cpu").calibration is not None
    found = tune(both, {"d": caches, "e": caches}, make_config(tmp_path), "cpu")
    assert found.calibration is None


def test_a_set_for_ranking_only_has_no_part_in_the_map(tmp_path: Path) -> None:
    save_tiny_llm(tmp_path / "llm")
    table = make_manifest(72)
    caches = make_caches(tmp_path / "c", table)
    records = make_records(table)
    both = [*records, *(replace(record, dataset="e") for record in records)]
    config = make_config(tmp_path, rank_weight=1.0, rank_only=("e",))
    found = tune(both, {"d": caches, "e": caches}, config, "cpu")
    assert found.calibration is not None  # of the one set that is left
