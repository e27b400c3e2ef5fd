"""Tuning and scoring from the cache, against decoding each time and against writing the number.

The head is the demo's LLM with a projector that has not been tuned, which costs the same. All of it
runs on one thread and is timed by the processor: ratios are then of work, not of how well the cores
are kept busy. Only what a step waits for data and what a score takes are timed by the wall, since a
processor does nothing while a disk is read.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from benchmarks.measure import (
    ROOT,
    Networks,
    Row,
    apart,
    clocks,
    in_turns,
    made_up_video,
    networks,
    ratio,
)
from benchmarks.reading import forget
from benchmarks.untuned import Anew, Setting, Untuned, clips, extracted
from llm_head import checkpoint, questions
from llm_head.data import read_tokens, token_names
from llm_head.readout import EVERYTHING, ReadOut, repeatable
from llm_head.samples import Samples, collate
from llm_head.shown import VideoTokens, pad
from llm_head.tune import Tuned
from pipeline.cache import Kind, TokenCache, Tokens
from pipeline.scoring import Scorer
from pipeline.settings import load


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
    reading: dict[str, Callable[[], object]] = {
        "step": lambda: step(from_cache),
        "data": lambda: batch(from_cache),
    }
    ways = {
        **reading,
        "step anew": lambda: step(anew),
        "alignment": lambda: aligned(from_cache),
        "alignment anew": lambda: aligned(anew),
    }
    warm, times = apart(in_turns(ways, setting.turns, clocks))
    folders = [cache.folder for cache in caches.values()]
    cold = in_turns(reading, setting.turns, before=lambda: forget(*folders))
    wait = "training step, waiting for data"
    rate = 1 / statistics.median(times["step"])
    against = "the same step that decodes and encodes (one core)"
    return [
        Row("training step from cache", rate, "steps/core s", "", size, llm),
        Row("training step, times faster", ratio(times, "step anew", "step"), "x",
            against, size, llm, ">= 10"),
        Row("alignment step, times faster", ratio(times, "alignment anew", "alignment"), "x",
            against, size, llm, ">= 10"),
        Row(f"{wait}, warm", 100 * ratio(warm, "data", "step"), "%",
            "the step by the wall clock, no loader workers", size, llm, "<= 5"),
        Row(f"{wait}, page cache dropped", 100 * ratio(cold, "data", "step"), "%",
            "the step by the wall clock, no loader workers", size, llm, "<= 5"),
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
    took = {name: 1000 * statistics.median(of) for name, of in times.items()}
    level = "level alone (`ReadOut.levels`)"
    answers = "all answers (`ReadOut.answers`, which predict and score use)"
    return [
        Row(f"{level}, one video", took["level, 1"], "ms", "", size, llm),
        Row(f"{answers}, one video", took["all answers, 1"], "ms", "", size, llm),
        Row(f"number written, {number}, one video", took["number, 1"], "ms", "", size, llm),
        Row(f"{level}, one video, times faster", ratio(times, "number, 1", "level, 1"), "x",
            f"{number}, batch of 1", size, llm, ">= 5"),
        Row(f"{answers}, one video, times faster", ratio(times, "number, 1", "all answers, 1"),
            "x", f"{number}, batch of 1: one answer of them", size, llm),
        Row(f"{level}, batch of {setting.batch}, times faster",
            ratio(times, "number, many", "level, many"), "x",
            f"{number}, batch of {setting.batch}", size, llm),
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
    """Time `lmm-vqa score` from its start, and `Scorer.score` where all is loaded."""
    encoders = {"spatial": nets.spatial, "temporal": nets.temporal}
    origin = checkpoint.Origin(
        {kind: found.model_dump(mode="json") for kind, found in encoders.items()},  # type: ignore[misc]
        {"bench": {"mos_source": "synthetic", "train": len(table)}},
    )
    prints = {kind: cache.fingerprint for kind, cache in caches.items()}
    history = pd.DataFrame(columns=["step", "epoch", "train_loss", "val_loss", "val_srcc"])
    tuned = Tuned(head.model, head.chat, history, 0.0, None, EVERYTHING)
    checkpoint.save(folder / "model", tuned, head.config, prints, origin)
    first = str(table["path"][0])
    further = [
        made_up_video(folder / f"{n}.mp4", setting.clip_height, setting.clip_s - n / 30)
        for n in (1, 2)
    ]
    program = [str(Path(sys.executable).parent / "lmm-vqa"), "score", "--model", "model"]
    ways = {
        "one": [*program, first],
        "import": [sys.executable, "-c", "import torch"],
    }

    def start(words: list[str]) -> None:
        subprocess.run(words, cwd=folder, capture_output=True, check=True, env=os.environ)

    times = in_turns({name: lambda w=w: start(w) for name, w in ways.items()}, setting.turns)
    one = statistics.median(times["one"])
    scorer = Scorer(folder / "model", device="cpu")
    scorer.score(first)  # builds the encoders and starts the decoder
    again = in_turns({path.stem: lambda p=path: scorer.score(p) for path in further}, setting.turns)
    each_s = statistics.median(took for of in again.values() for took in of)
    size = f"{setting.clip_s:g} s, {setting.clip_height} lines"
    return [
        Row("first score of `lmm-vqa score`, new process", one, "s", "", size, llm),
        Row("first score of `lmm-vqa score`", ratio(times, "one", "import"), "x",
            "`import torch` in a new process", size, llm),
        Row("each further score: `Scorer.score` of another video, same process", each_s, "s", "",
            size, llm),
    ]  # fmt: skip
