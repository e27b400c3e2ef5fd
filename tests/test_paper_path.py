"""profiles/paper.yaml and authors-code.yaml from video files to a report, by the paper's classes.

Settings are the profiles' own. Networks are narrow or shallow and have random weights: CLIP
ViT-L/14 keeps its 256 patches and class token, SlowFast its 50 layers and both pathways, Llama-3
its tokenizer's layout.
"""

import copy
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch

from encoders import temporal
from lmm_vqa import Scorer
from pipeline import layout, settings
from pipeline.cache import TokenCache
from pipeline.settings import Params
from pipeline.stages import (
    evaluate,
    extract,
    fold,
    folds,
    hashes,
    instruct,
    leaks,
    manifest,
    predict,
    report,
    tune,
)
from tests.clips import write_moving_video
from tests.llama3 import save_llama3
from tests.trees import TREES

pytestmark = pytest.mark.slow

PROFILES = Path(__file__).parents[1] / "profiles"
WIDTH = 64  # of the narrow ViT-L/14, 1024 in the paper's
SLOW, FAST = 256, 32  # numbers of the pathways, 2048 and 256 in the paper's
SECONDS = 8
LONG = "yfcc-batch0/0"  # a video of eight seconds; the others have one


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make both encoders narrow; what they compute otherwise is their libraries' own."""
    config = copy.deepcopy(open_clip.get_model_config("ViT-L-14"))
    assert config is not None
    config["vision_cfg"].update(layers=2, width=WIDTH)
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-L-14", config)
    whole = temporal.hub.slowfast_r50
    monkeypatch.setattr(temporal.hub, "slowfast_r50", partial(whole, stem_dim_outs=(8, 1)))


def small_copy(profile: str, root: Path) -> Params:
    """Return the profile's settings for two small sets and networks without published weights."""
    paper = settings.load(PROFILES / profile, run={"scheduler": "none", "device": "cpu"})
    names = ("lsvq", "konvid_1k")
    random = {"pretrained": "random"}
    return paper.model_copy(
        update={
            "datasets": {
                name: paper.datasets[name].model_copy(update={"root": root / name})
                for name in names
            },
            "spatial": paper.spatial.model_copy(update=random),
            "temporal": paper.temporal.model_copy(update=random),
            "tune": paper.tune.model_copy(update={"llm": str(save_llama3(root / "llama"))}),
            "protocol": paper.protocol.model_copy(
                update={"fine_tune": ("konvid_1k",), "parts": (1, 2), "epochs": 1}
            ),
        }
    )


@pytest.mark.parametrize(
    ("profile", "shown_seconds"), [("paper.yaml", SECONDS), ("authors-code.yaml", 1)]
)
def test_from_video_files_to_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str, shown_seconds: int
) -> None:
    monkeypatch.chdir(tmp_path)
    TREES["lsvq"](tmp_path / "lsvq", 3)
    TREES["konvid_1k"](tmp_path / "konvid_1k", 6)
    write_moving_video(tmp_path / f"lsvq/{LONG}.mp4", seconds=SECONDS)
    params = small_copy(profile, tmp_path)
    for name in params.datasets:
        manifest.run(params, name)
        extract.run(params, name)
        hashes.run(params, name)
    leaks.run(params)
    spatial, temporal_ = (TokenCache(layout.cache("lsvq", k)) for k in ("spatial", "temporal"))
    # a class token and a patch of 14 px for each of 16 x 16 places
    assert spatial.read(LONG).tokens.shape == (SECONDS, 1 + 256, WIDTH)
    assert temporal_.read(LONG).tokens.shape == (SECONDS, SLOW + FAST)

    instruct.run(params, "lsvq")
    read = record_batches(monkeypatch)
    tune.run(params)
    longest = max(read, key=lambda batch: batch["visual"].sum(1).max())
    assert longest["visual"].sum(1).max() == shown_seconds * (256 + 1 + 1)
    assert longest["spatial"].shape[1:] == (SECONDS, 257, WIDTH)
    assert longest["temporal"].shape[1:] == (SECONDS, SLOW + FAST)
    written = json.loads((layout.MODEL / "config.json").read_text())
    assert written["shape"]["projector"] == "vit" and written["settings"]["dtype"] == "bfloat16"
    assert written["random_encoders"] == ["spatial", "temporal"]
    losses = pd.read_csv(layout.MODEL / "loss.csv")["train_loss"].dropna()
    assert np.isfinite(losses).all() and losses.iloc[-1] < losses.iloc[0]

    for name in params.datasets:
        predict.run(params, name)
    found = pd.read_csv(layout.predictions("lsvq")).set_index("video_id")
    assert len(found) == 6
    for column in ("score", "score_generated", "score_digits"):
        assert found[column].between(0, 100).all()
    scored = Scorer(layout.MODEL, device="cpu").score(f"lsvq/{LONG}.mp4", timeline=True)
    assert scored.row()["score"] == found["score"][LONG]
    assert len(scored.timeline) == SECONDS

    for part in params.protocol.parts:
        fold.run(params, "konvid_1k", part)
    folds.run(params, "konvid_1k")
    assert json.loads(layout.folds("konvid_1k").read_text())["start_trained_on"] == ["lsvq"]
    evaluate.run(params)
    measured = json.loads(layout.METRICS.read_text())["datasets"]
    assert measured["lsvq"]["zero_shot"] is False and measured["konvid_1k"]["zero_shot"] is True
    report.run(params)
    page = layout.REPORT.read_text(encoding="utf-8")
    assert "random weights" in page and "konvid_1k" in page


def record_batches(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, torch.Tensor]]:
    """Return a list that fills with the batches that the head is tuned on."""
    from llm_head import fit

    seen: list[dict[str, torch.Tensor]] = []
    collate = fit.collate

    def watched(samples: Any) -> dict[str, torch.Tensor]:
        seen.append(collate(samples))
        return seen[-1]

    monkeypatch.setattr(fit, "collate", watched)
    return seen
