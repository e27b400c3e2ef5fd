"""profiles/paper.yaml from video files to scores, by networks of the paper's classes.

Settings are the profile's own. Networks are narrow or shallow and have random weights: CLIP
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
from pipeline.stages import extract, instruct, manifest, predict, tune
from tests.clips import write_moving_video
from tests.llama3 import save_llama3
from tests.trees import TREES

pytestmark = pytest.mark.slow

PROFILE = Path(__file__).parents[1] / "profiles/paper.yaml"
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


def small_copy(root: Path) -> Params:
    """Return the profile's settings for a small LSVQ and networks without published weights."""
    paper = settings.load(PROFILE, run={"scheduler": "none", "device": "cpu"})
    lsvq = paper.datasets["lsvq"].model_copy(update={"root": root / "lsvq"})
    random = {"pretrained": "random"}
    return paper.model_copy(
        update={
            "datasets": {"lsvq": lsvq},
            "spatial": paper.spatial.model_copy(update=random),
            "temporal": paper.temporal.model_copy(update=random),
            "tune": paper.tune.model_copy(update={"llm": str(save_llama3(root / "llama"))}),
        }
    )


def test_from_video_files_to_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    TREES["lsvq"](tmp_path / "lsvq", 3)
    write_moving_video(tmp_path / f"lsvq/{LONG}.mp4", seconds=SECONDS)
    params = small_copy(tmp_path)
    manifest.run(params, "lsvq")
    extract.run(params, "lsvq")
    spatial, temporal_ = (TokenCache(layout.cache("lsvq", k)) for k in ("spatial", "temporal"))
    # a class token and a patch of 14 px for each of 16 x 16 places
    assert spatial.read(LONG).tokens.shape == (SECONDS, 1 + 256, WIDTH)
    assert temporal_.read(LONG).tokens.shape == (SECONDS, SLOW + FAST)

    instruct.run(params, "lsvq")
    read = record_batches(monkeypatch)
    tune.run(params)
    longest = max(read, key=lambda batch: batch["visual"].sum(1).max())
    assert longest["visual"].sum(1).max() == SECONDS * (256 + 1) + SECONDS
    assert longest["spatial"].shape[1:] == (SECONDS, 257, WIDTH)
    assert longest["temporal"].shape[1:] == (SECONDS, SLOW + FAST)
    written = json.loads((layout.MODEL / "config.json").read_text())
    assert written["shape"]["projector"] == "vit" and written["settings"]["dtype"] == "bfloat16"
    assert written["random_encoders"] == ["spatial", "temporal"]
    losses = pd.read_csv(layout.MODEL / "loss.csv")["train_loss"].dropna()
    assert np.isfinite(losses).all() and losses.iloc[-1] < losses.iloc[0]

    predict.run(params, "lsvq")
    found = pd.read_csv(layout.predictions("lsvq")).set_index("video_id")
    assert len(found) == 6
    for column in ("score", "score_generated", "score_digits"):
        assert found[column].between(0, 100).all()
    scored = Scorer(layout.MODEL, device="cpu").score(f"lsvq/{LONG}.mp4", timeline=True)
    assert scored.row()["score"] == found["score"][LONG]
    assert len(scored.timeline) == SECONDS


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
