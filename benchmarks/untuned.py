"""The head that `benchmarks.heads` measures, its clips, and their tokens: cached or made anew."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.measure import ROOT, Networks, made_up_video
from llm_head import instruct, lora
from llm_head.config import TuneConfig
from llm_head.data import group, token_shape
from llm_head.llm import load_llm
from llm_head.model import LmmVqa
from llm_head.prompts import Chat
from llm_head.questions import CLOSED
from llm_head.samples import Samples
from llm_head.tune import samples_of
from pipeline.cache import Kind, TokenCache, Tokens, write_index
from pipeline.encode import Job, Target, Video, encode_video, fingerprint
from pipeline.packages import sha256
from pipeline.settings import Params, RunSettings
from pipeline.video import chunks

LLM = ROOT / "data/weights/llm"


@dataclass(frozen=True)
class Setting:
    """How much is measured."""

    params: Params
    llm: Path = LLM
    clips: int = 4  # a batch
    clip_s: float = 8  # as most videos of LSVQ and KoNViD-1k are long
    clip_height: int = 540
    turns: int = 2
    batch: int = 16  # of the read-out, beside one by one
    commands: bool = True  # also start `lmm-vqa score`


@dataclass(frozen=True)
class Anew:
    """Stands where a cache does, and decodes and encodes whenever it is read.

    One decode makes both kinds, as whoever trains on video would have it.
    """

    kind: Kind
    paths: Mapping[str, Path]
    nets: Networks
    made: dict[str, dict[Kind, Tokens]]

    def read(self, video_id: str) -> Tokens:
        """Return tokens as `TokenCache.read` does."""
        found = self.made.pop(video_id, None)
        if found is None:
            found = encoded(self.paths[video_id], self.nets)
            self.made[video_id] = found
        return found[self.kind]


def encoded(path: Path, nets: Networks) -> dict[Kind, Tokens]:
    """Return both kinds of tokens of a video."""
    found = list(_copied(path, nets.temporal.frames))
    times = np.array([start_s for start_s, _, _ in found])
    return {
        "spatial": Tokens(nets.built("spatial")([key for _, key, _ in found]), times),
        "temporal": Tokens(nets.built("temporal")([clip for _, _, clip in found]), times),
    }


def _copied(path: Path, frames: int) -> list[tuple[float, Any, Any]]:
    return [(chunk.start_s, chunk.key_frame, chunk.clip) for chunk in chunks(path, frames)]


def clips(folder: Path, setting: Setting) -> pd.DataFrame:
    """Write clips; return them as a manifest of training videos."""
    path = made_up_video(folder / "clip.mp4", setting.clip_height, setting.clip_s)
    rows = [
        (f"c{n}", str(path), sha256(path), 90.0 * n / setting.clips, "train", f"s{n}")
        for n in range(setting.clips)
    ]
    names = ["video_id", "path", "sha256", "mos", "split", "content"]
    facts = {"impairment": "blur", "severity": "slight", "motion": "smooth"}
    return pd.DataFrame(rows, columns=names).assign(**facts, mos_source="synthetic")


def extracted(folder: Path, table: pd.DataFrame, nets: Networks) -> dict[Kind, TokenCache]:
    """Fill both caches."""
    targets = (Target(nets.spatial, folder / "spatial"), Target(nets.temporal, folder / "temporal"))
    prints = tuple(fingerprint(t.settings, nets.built(t.kind)) for t in targets)
    for target in targets:
        target.folder.mkdir()
    for row in table.itertuples():
        item = Video(str(row.video_id), Path(str(row.path)), str(row.sha256))
        assert encode_video(Job(folder, item, targets, prints), RunSettings(device="cpu")).chunks
    for target, made in zip(targets, prints, strict=True):
        write_index(target.folder, made, dict(zip(table["video_id"], table["sha256"], strict=True)))
    return {target.kind: TokenCache(target.folder) for target in targets}


class Untuned:
    """A head as tuning begins with it."""

    def __init__(
        self, setting: Setting, table: pd.DataFrame, caches: Mapping[Kind, TokenCache]
    ) -> None:
        given = setting.params.tune.model_dump(exclude={"train_on"}) | {"llm": str(setting.llm)}
        self.config = TuneConfig(**given, seed=0)
        torch.manual_seed(0)
        tokenizer, llm = load_llm(self.config.llm, self.config.dtype)
        self.chat = Chat(tokenizer)
        config = self.config
        if config.lora_rank:
            llm = lora.add(llm, config.lora_rank)
        first = str(table["video_id"][0])
        self.shape = token_shape(caches, first, config.tokens, config.time, config.seconds)
        self.model = LmmVqa(
            llm,
            self.shape,
            self.chat,
            dropout=config.dropout,
            align_weight=config.align_weight,
            rank_weight=config.rank_weight,
            answer_weight=config.answer_weight,
        )

    def samples(self, table: pd.DataFrame, caches: Any, names: Mapping[str, str]) -> Samples:
        """Return a manifest's videos as training reads them."""
        tasks = ["score", "level", *CLOSED]
        videos = {"train": group(instruct.build(table, "bench", tasks, names, seed=0))}
        return samples_of(videos, {"bench": caches}, self.chat, self.shape, self.config)["train"]
