"""Instruction tuning of the projector and, by choice, of LoRA layers in the LLM."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from transformers import set_seed

from llm_head import lora, resume, shards
from llm_head.align import align, practise
from llm_head.calibrate import ScoreMap, calibrate
from llm_head.config import TuneConfig
from llm_head.data import Caches, Video, group, token_shape, without_scale
from llm_head.fit import fit
from llm_head.instruct import Record, taught
from llm_head.llm import llm_identity, load_llm, on_device
from llm_head.model import LmmVqa
from llm_head.pairs import WithPairs
from llm_head.practice import SHARE
from llm_head.projector import TokenShape
from llm_head.prompts import Chat
from llm_head.readout import ReadOut
from llm_head.samples import Samples, closed_tasks
from pipeline.cache import Kind

STATISTICS_VIDEOS = 1000  # videos that tell the features' means and deviations

log = logging.getLogger(__name__)


class TuneError(ValueError):
    """There is nothing to tune on, or the data sets do not fit together."""


@dataclass(frozen=True)
class Tuned:
    """A tuned head.

    Attributes:
        model: with the parameters of the best epoch on split val, or of the last without one.
        chat: the LLM's prompts.
        history: columns step, epoch, train_loss, val_loss, val_srcc; NaN where not measured.
        best_epoch: whose parameters these are.
        calibration: from scores to the MOS of split val; None: too few videos, or those of several
            sets, whose scales no one map can serve.
        taught: from `instruct.taught`; what else it is asked, it has not learned.
    """

    model: LmmVqa
    chat: Chat
    history: pd.DataFrame
    best_epoch: float
    calibration: ScoreMap | None
    taught: Mapping[str, Sequence[str]]


def tune(
    records: Sequence[Record],
    caches: Mapping[str, Caches],
    config: TuneConfig,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    work: Path | None = None,
    shard_llm: bool = False,
) -> Tuned:
    """Tune a head on the records of splits train and val.

    After each epoch the head is measured on val; the epoch with the lowest loss is kept: the SRCC
    of a few scenes is too noisy to choose by. Split test is never looked at.

    Args:
        caches: by dataset, then kind.
        work: folder in which the state is kept, so that the same call goes on after a kill, to the
            same weights; whoever gives it removes it when the head is saved.
        shard_llm: cut the LLM's layers over the processes, see `shards`; without `work`. The model
            can then be saved by the first process, but not run.

    Raises:
        TuneError: if no record is for training, the data sets' tokens differ in kind, or a
            quantized LLM is to be cut.
        ProcessesError: if the LLM cannot be cut into parts.

    Source: LMM-VQA, arXiv:2408.14008, section III (frozen encoders and LLM). Differs: the epoch
    is chosen on videos held out from training; the authors' code splits questions, so that a
    video's two questions can fall on both sides.
    """
    if shard_llm and config.quantize != "none":
        raise TuneError(f"run.shard_llm: tune.quantize is {config.quantize}; wanted none")
    tokenizer, llm = load_llm(config.llm, config.dtype, config.quantize)
    set_seed(config.seed)
    chat = Chat(tokenizer)
    videos = videos_of(records, caches, config)
    if config.lora_rank:
        llm = lora.add(llm, config.lora_rank)
    elif config.train_llm:
        llm.requires_grad_(True)
    first = videos["train"][0]
    shape = replace(
        token_shape(
            caches[first.dataset], first.video_id, config.tokens, config.time, config.seconds
        ),
        projector=config.projector,
        queries=config.queries if config.projector == "resampler" else 0,
        markers=config.markers,
        cue=config.cue,
    )
    learned = [record for video in videos["train"] for record in video.records]
    closed = closed_tasks(learned)
    model = LmmVqa(
        llm,
        shape,
        chat,
        dropout=config.dropout,
        align_weight=config.align_weight,
        rank_weight=config.rank_weight,
        answer_weight=config.answer_weight,
        closed=closed,
    )
    if config.gradient_checkpointing:
        model.recompute()
    samples = samples_of(videos, caches, chat, shape, config, closed)
    _standardise(model, samples["train"], config.kinds)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    log.info(
        "tuning %.2f M parameters on %d videos (val: %d), LLM %s",
        *(trained / 1e6, len(videos["train"]), len(videos["val"]), config.llm),
    )
    if work:
        start = llm_identity(config.llm, llm)
        work = work / resume.key(records, caches, config, start, on_device(device))
    if shard_llm:
        shards.cut(model, on_device(device))
    else:
        model.to(on_device(device))
    begun = work and resume.last(work)  # the outcome of the first steps is in there
    if config.align_steps and not begun:
        align(model, samples["train"], config.align_steps, config.seed)
    if config.practice_steps:
        # what the LLM has learned to read must not change its meaning
        model.projector.requires_grad_(False)
        samples["train"].practice = SHARE
        if not begun:
            practise(model, samples["train"], config.practice_steps, config.seed)
    history, best_epoch = fit(model, with_pairs(samples, config), config, device, work)
    calibration = calibrate(ReadOut(model, chat, config.level_std), videos["val"], caches)
    if shard_llm:
        shards.gather(model)
    return Tuned(model.eval(), chat, history, best_epoch, calibration, taught(learned))


def videos_of(
    records: Sequence[Record], caches: Mapping[str, Caches], config: TuneConfig
) -> dict[str, list[Video]]:
    """Return the videos of splits train and val that have tokens.

    Raises:
        TuneError: if there is none to train on, no MOS but for ranking, or the caches do not fit
            together.
    """
    _check(records, caches, config)
    usable = _with_tokens(records, caches)
    videos = {
        split: [
            without_scale(video) if video.dataset in config.rank_only else video
            for video in group(record for record in usable if record.split == split)
        ]
        for split in ("train", "val")
    }
    if not videos["train"]:
        raise TuneError("no video of split train has tokens; see split in params.yaml: datasets")
    if {video.order_only for video in videos["train"] if video.mos is not None} == {True}:
        raise TuneError("tune.rank_only names all sets with a MOS: none would teach the scale")
    return videos


def samples_of(
    videos: Mapping[str, Sequence[Video]],
    caches: Mapping[str, Caches],
    chat: Chat,
    shape: TokenShape,
    config: TuneConfig,
    closed: Mapping[str, tuple[str, ...]] | None = None,
) -> dict[str, Samples]:
    """Return the samples of each split; only training shows parts of videos."""
    return {
        split: Samples(
            found,
            caches,
            chat,
            shape,
            config.level_std,
            config.seed,
            parts=split == "train",
            raters=config.level_spread == "raters",
            weights=config.weights if split == "train" else None,
            closed=closed,
        )
        for split, found in videos.items()
    }


def with_pairs(samples: Mapping[str, Samples], config: TuneConfig) -> dict[str, WithPairs]:
    """Return the samples of each split, with as many pairs of videos as are asked for."""
    return {split: WithPairs(of, config.pairs, config.seed) for split, of in samples.items()}


def _check(records: Sequence[Record], caches: Mapping[str, Caches], config: TuneConfig) -> None:
    unknown = sorted({record.dataset for record in records} - set(caches))
    if unknown:
        raise TuneError(f"records name data sets {unknown}; params.yaml: tune.train_on has not")
    for kind in config.kinds:
        prints = {name: parts[kind].fingerprint_sha256[:12] for name, parts in caches.items()}
        if len(set(prints.values())) > 1:
            raise TuneError(
                f"{kind} caches of the training sets were made with different settings: {prints}; "
                "run their stages again"
            )


def _with_tokens(records: Sequence[Record], caches: Mapping[str, Caches]) -> list[Record]:
    usable = [
        record
        for record in records
        if all(record.video in cache for cache in caches[record.dataset].values())
    ]
    missing = sorted({r.video for r in records} - {r.video for r in usable})
    if missing:
        log.warning("%d videos have no tokens and are left out: %s", len(missing), missing[:5])
    return usable


@torch.no_grad()
def _standardise(model: LmmVqa, samples: Samples, kinds: Sequence[Kind]) -> None:
    for kind in kinds:
        count, total, squares = 0, np.zeros(1), np.zeros(1)
        for video in samples.tokens(STATISTICS_VIDEOS):
            tokens = video.spatial if kind == "spatial" else video.temporal
            flat = tokens.reshape(-1, tokens.shape[-1]).astype(np.float64)
            count, total = count + len(flat), total + flat.sum(0)
            squares = squares + (flat**2).sum(0)
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - mean**2, 0))
        model.projector.set_statistics(kind, torch.from_numpy(mean), torch.from_numpy(std))
