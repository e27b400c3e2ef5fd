"""Tuning and scoring from the cache, against decoding each time and against writing the number.

The head is the demo's LLM with a projector that has not been tuned, which costs the same. All of it
runs on one thread and is timed by the processor: ratios are then of work, not of how well the cores
are kept busy. Only `lmm-vqa score` is timed by the wall.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.measure import ROOT, Networks, Row, in_turns, made_up_video, networks, ratio
from llm_head import checkpoint, instruct, lora, questions
from llm_head.config import TuneConfig
from llm_head.data import group, read_tokens, token_names, token_shape
from llm_head.llm import load_llm
from llm_head.model import LmmVqa
from llm_head.prompts import Chat
from llm_head.readout import EVERYTHING, ReadOut, repeatable
from llm_head.samples import Samples, collate
from llm_head.shown import VideoTokens, pad
from llm_head.tune import Tuned, samples_of
from pipeline.cache import Kind, TokenCache, Tokens, write_index
from pipeline.encode import Job, Target, Video, encode_video, fingerprint
from pipeline.packages import sha256
from pipeline.settings import Params, RunSettings, load
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


def measure(setting: Setting | None = None) -> list[Row]:
    """Return the figures of this group."""
    setting = setting or Setting(load(ROOT / "params.yaml"))
    if not (setting.llm / "config.json").is_file():
        raise FileNotFoundError(f"{setting.llm}: no LLM there; run `lmm-vqa weights llm` first")
    nets = networks()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        table = clips(folder, setting)
        caches = extracted(folder, table, nets)
        head = Untuned(setting, table, caches)
        size = f"{setting.clips} clips of {setting.clip_s:g} s, {setting.clip_height} lines"
        llm = f"{setting.llm.parent.name}/{setting.llm.name}; {nets.weights}"
        rows = tuning(head, table, caches, nets, setting, size, llm)
        rows += reading_out(head, table, caches, setting, llm)
        if setting.commands:
            rows += commands(head, folder, table, caches, nets, setting, llm)
    return rows


def clips(folder: Path, setting: Setting) -> pd.DataFrame:
    """Write clips; return them as a manifest of training videos."""
    path = made_up_video(folder / "clip.mp4", setting.clip_height, setting.clip_s)
    rows = [
        (f"c{n}", str(path), sha256(path), 90.0 * n / setting.clips, "train", f"s{n}")
        for n in range(setting.clips)
    ]
    names = ["video_id", "path", "sha256", "mos", "split", "content"]
    facts = {"impairment": "blur", "motion": "smooth", "mos_source": "synthetic"}
    return pd.DataFrame(rows, columns=names).assign(**facts)


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
        tasks = ["score", "level", "impairment", "motion"]
        videos = {"train": group(instruct.build(table, "bench", tasks, names, seed=0))}
        return samples_of(videos, {"bench": caches}, self.chat, self.shape, self.config)["train"]


def tuning(
    head: Untuned,
    table: pd.DataFrame,
    caches: Mapping[Kind, TokenCache],
    nets: Networks,
    setting: Setting,
    size: str,
    llm: str,
) -> list[Row]:
    """Compare steps that read the cache with steps that decode and encode."""
    names = token_names(caches)
    paths = {row.video_id: Path(row.path) for row in table.itertuples()}
    made: dict[str, dict[Kind, Tokens]] = {}
    raw = {kind: Anew(kind, paths, nets, made) for kind in caches}
    from_cache, anew = head.samples(table, caches, names), head.samples(table, raw, names)
    trained = [parameter for parameter in head.model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4)

    def batch(samples: Samples) -> dict[str, Tensor]:
        return collate([samples[n] for n in range(len(samples))])

    def step(samples: Samples) -> None:
        learn(head.model(**batch(samples))["loss"])

    def aligned(samples: Samples) -> None:
        found = [samples.shown(n, 0) for n in range(len(samples))]
        tokens = pad([tokens for tokens, _ in found])
        words = torch.stack([words for _, words in found])
        learn(head.model.alignment(*head.model.projector(**tokens), words))

    def learn(loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    head.model.train()
    torch.set_num_threads(1)
    times = in_turns(
        {
            "step": lambda: step(from_cache),
            "step anew": lambda: step(anew),
            "data": lambda: batch(from_cache),
            "alignment": lambda: aligned(from_cache),
            "alignment anew": lambda: aligned(anew),
        },
        setting.turns,
        time.process_time,
    )
    rate = 1 / statistics.median(times["step"])
    against = "the same step that decodes and encodes (one core)"
    return [
        Row("training step from cache", rate, "steps/core s", "", size, llm),
        Row("training step, times faster", ratio(times, "step anew", "step"), "x",
            against, size, llm, ">= 10"),
        Row("alignment step, times faster", ratio(times, "alignment anew", "alignment"), "x",
            against, size, llm, ">= 10"),
        Row("training step, waiting for data", 100 * ratio(times, "data", "step"), "%",
            "the step, no loader workers", size, llm, "<= 5"),
    ]  # fmt: skip


def reading_out(
    head: Untuned,
    table: pd.DataFrame,
    caches: Mapping[Kind, TokenCache],
    setting: Setting,
    llm: str,
) -> list[Row]:
    """Compare the read-out with transformers' own `generate`, which writes the number."""
    readout = ReadOut(head.model, head.chat, head.config.level_std)
    video = read_tokens(caches, str(table["video_id"][0]), head.shape)
    many = [video] * setting.batch
    written = Written(head)
    ways: dict[str, Callable[[], object]] = {
        "level, 1": lambda: readout.levels([video]),
        "number, 1": lambda: written([video]),
        "all answers, 1": lambda: readout.answers([video]),
        "level, many": lambda: readout.levels(many),
        "number, many": lambda: written(many),
    }
    with repeatable(head.model):
        times = in_turns(ways, setting.turns, time.process_time)
    size, number = f"{setting.clip_s:g} s of tokens", f"`generate` of {written.length} tokens"
    each = statistics.median(times["level, 1"])
    return [
        Row("level read-out, one video", 1000 * each, "ms", "", size, llm),
        Row("level read-out, one video, times faster", ratio(times, "number, 1", "level, 1"), "x",
            f"{number}, batch of 1", size, llm, ">= 5"),
        Row(f"level read-out, batch of {setting.batch}, times faster",
            ratio(times, "number, many", "level, many"), "x",
            f"{number}, batch of {setting.batch}", size, llm),
        Row("all four answers with both numbers, times faster",
            ratio(times, "number, 1", "all answers, 1"), "x", f"{number}, batch of 1", size, llm),
    ]  # fmt: skip


class Written:
    """The number as transformers writes it: all of the prompt, then token by token."""

    def __init__(self, head: Untuned) -> None:
        self._head = head
        self._question = torch.tensor([head.chat.question(questions.canonical("score"))])
        self.length = len(head.chat.answer(questions.score_answer(63.2)))

    def __call__(self, videos: list[VideoTokens]) -> Tensor:
        """Return the ids of the answers."""
        model: Any = self._head.model
        seen = model.projector(**pad(videos))[0].flatten(1, 2)
        before, after = model.embed(model.head), model.embed(self._question)
        parts = [part.expand(len(videos), -1, -1) for part in (before, seen, after)]
        embeds = torch.cat(parts, dim=1)
        ids: Tensor = model.llm.generate(
            inputs_embeds=embeds,
            attention_mask=torch.ones(embeds.shape[:2], dtype=torch.int64),
            min_new_tokens=self.length,
            max_new_tokens=self.length,
            do_sample=False,
            pad_token_id=0,
        )
        return ids


def commands(
    head: Untuned,
    folder: Path,
    table: pd.DataFrame,
    caches: Mapping[Kind, TokenCache],
    nets: Networks,
    setting: Setting,
    llm: str,
) -> list[Row]:
    """Time `lmm-vqa score` from its start, in a process of its own."""
    encoders = {"spatial": nets.spatial, "temporal": nets.temporal}
    origin = checkpoint.Origin(
        {kind: found.model_dump(mode="json") for kind, found in encoders.items()},  # type: ignore[misc]
        {"bench": {"mos_source": "synthetic", "train": len(table)}},
    )
    prints = {kind: cache.fingerprint for kind, cache in caches.items()}
    history = pd.DataFrame(columns=["step", "epoch", "train_loss", "val_loss", "val_srcc"])
    tuned = Tuned(head.model, head.chat, history, 0.0, None, EVERYTHING)
    checkpoint.save(folder / "model", tuned, head.config, prints, origin)
    clip = str(table["path"][0])
    # each of another content, for the same one is not encoded twice
    more = [
        str(made_up_video(folder / f"{n}.mp4", setting.clip_height, setting.clip_s - n / 30))
        for n in (1, 2)
    ]
    program = [str(Path(sys.executable).parent / "lmm-vqa"), "score", "--model", "model"]
    ways = {
        "one": [*program, clip],
        "three": [*program, clip, *more],
        "import": [sys.executable, "-c", "import torch"],
    }

    def start(words: list[str]) -> None:
        subprocess.run(words, cwd=folder, capture_output=True, check=True, env=os.environ)

    times = in_turns({name: lambda w=w: start(w) for name, w in ways.items()}, setting.turns)
    one = statistics.median(times["one"])
    more = statistics.median((b - a) / 2 for a, b in zip(times["one"], times["three"], strict=True))
    size = f"{setting.clip_s:g} s, {setting.clip_height} lines"
    return [
        Row("first score of `lmm-vqa score`, new process", one, "s", "", size, llm),
        Row("first score of `lmm-vqa score`", ratio(times, "one", "import"), "x",
            "`import torch` in a new process", size, llm),
        Row("each further score", more, "s", "", size, llm),
    ]  # fmt: skip
