import json
from pathlib import Path

import pandas as pd
import pytest

from llm_head.instruct import InstructError
from pipeline import layout, manifest
from pipeline.stages import instruct, tune
from tests.synthetic import FINGERPRINT, make_caches, make_manifest, make_params
from tests.tiny_llm import save_tiny_llm


def test_tune_writes_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = make_manifest(6)
    manifest.write(layout.manifest("syn"), table)
    params = make_params(str(save_tiny_llm(tmp_path / "llm")))
    with pytest.raises(InstructError, match="run stage instruct"):
        tune.run(params)
    make_caches(layout.cache("syn", "spatial").parent, table)
    instruct.run(params, "syn")
    tune.run(params)
    assert not layout.TUNING.exists()  # a finished tuning leaves nothing to go on from
    config = json.loads((layout.MODEL / "config.json").read_text())
    assert config["settings"]["learning_rate"] == params.tune.learning_rate
    assert config["fingerprints"] == {"spatial": FINGERPRINT, "temporal": FINGERPRINT}
    assert config["random_encoders"] == []
    assert config["encoders"]["spatial"] == params.spatial.model_dump(mode="json")
    assert config["encoders"]["temporal"] == params.temporal.model_dump(mode="json")
    splits = table["split"].value_counts()
    assert config["data"] == {
        "syn": {"mos_source": "synthetic", "train": splits["train"], "val": splits["val"]}
    }
    history = pd.read_csv(layout.MODEL / "loss.csv")
    assert {"step", "train_loss", "val_loss", "val_srcc"} <= set(history.columns)
