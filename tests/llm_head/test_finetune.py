from pathlib import Path
from typing import Any

import pytest
import torch

from llm_head import checkpoint
from llm_head.finetune import fine_tune
from llm_head.tune import TuneError, tune
from tests.llm_head.test_tune import make_config, make_records
from tests.synthetic import FINGERPRINT, make_caches, make_manifest
from tests.tiny_llm import save_tiny_llm

FOUND = {"spatial": FINGERPRINT, "temporal": FINGERPRINT}


@pytest.mark.parametrize(("lora_rank", "train_llm"), [(0, False), (2, False), (0, True)])
def test_tuning_goes_on_from_the_head(tmp_path: Path, lora_rank: int, train_llm: bool) -> None:
    save_tiny_llm(tmp_path / "llm")
    part: dict[str, Any] = {"lora_rank": lora_rank, "train_llm": train_llm}
    config = make_config(tmp_path, **part)
    first, second = make_manifest(6, seed=0), make_manifest(6, seed=1)
    caches = make_caches(tmp_path / "first", first)
    start = tune(make_records(first), {"d": caches}, config, "cpu")
    checkpoint.save(tmp_path / "model", start, config, FOUND)

    head = checkpoint.load(tmp_path / "model", FOUND, "cpu")
    before = {name: value.clone() for name, value in head.model.state_dict().items()}
    others = make_caches(tmp_path / "second", second, seed=5)  # other means and deviations
    # so small a step that what it starts from shows
    small = make_config(tmp_path, **part, learning_rate=1e-6, batch_size=1)
    tuned = fine_tune(head, make_records(second), {"d": others}, small, "cpu")
    after = tuned.model.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(after[name], value)}
    assert all(torch.allclose(after[name], before[name], atol=1e-4) for name in before)
    assert any(name.startswith("projector.") for name in changed)
    assert not any(name.endswith((".mean", ".std")) for name in changed)
    assert any("lora_" in name for name in changed) == bool(lora_rank)
    assert any("llm." in name and "lora_" not in name for name in changed) == train_llm
    assert tuned.best_epoch == 1 and len(tuned.history) > 0

    checkpoint.save(tmp_path / "again", tuned, small, FOUND)
    again = checkpoint.load(tmp_path / "again", FOUND, "cpu").model.state_dict()
    assert all(torch.equal(again[name], after[name]) for name in after)


def test_a_head_that_reads_other_tokens_is_refused(tmp_path: Path) -> None:
    save_tiny_llm(tmp_path / "llm")
    config, table = make_config(tmp_path), make_manifest(6)
    caches = make_caches(tmp_path / "cache", table)
    tuned = tune(make_records(table), {"d": caches}, config, "cpu")
    checkpoint.save(tmp_path / "model", tuned, config, FOUND)
    head = checkpoint.load(tmp_path / "model", FOUND, "cpu")
    other = make_config(tmp_path, time="mean", cue="text")
    said = r"time: ordered \(tune asks for mean\), cue: none \(tune asks for text\); run stage tune"
    with pytest.raises(TuneError, match=said):
        fine_tune(head, make_records(table), {"d": caches}, other, "cpu")
    with pytest.raises(TuneError, match=r"projector: mlp \(tune asks for vit\)"):
        fine_tune(head, [], {}, make_config(tmp_path, projector="vit"), "cpu")
    with pytest.raises(TuneError, match="none was trained; section tune asks for all"):
        fine_tune(head, [], {}, make_config(tmp_path, train_llm=True), "cpu")
    nothing = make_records(table.assign(split="test"))
    with pytest.raises(TuneError, match="no video of split train"):
        fine_tune(head, nothing, {"d": caches}, config, "cpu")
