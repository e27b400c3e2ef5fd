"""Instruction tuning of the projector and, by choice, of LoRA layers in the LLM."""

import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import Tensor
from transformers import (
    EvalPrediction,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from llm_head import lora
from llm_head.align import align
from llm_head.data import KINDS, Caches, Samples, collate, group, token_shape
from llm_head.instruct import Record
from llm_head.model import LmmVqa, load_llm
from llm_head.prompts import Chat
from pipeline.cache import Kind

STATISTICS_VIDEOS = 1000  # videos that tell the features' means and deviations
LOGS_PER_EPOCH = 5

log = logging.getLogger(__name__)


class TuneError(ValueError):
    """There is nothing to tune on, or the data sets do not fit together."""


@dataclass(frozen=True)
class TuneConfig:
    """What tuning depends on, beside records and caches; stored with the model.

    The fields are those of params.yaml's section tune, described there, and seed.
    """

    llm: str
    dtype: Literal["float32", "bfloat16"]
    lora_rank: int
    tokens: Literal["both", "spatial", "temporal"]
    time: Literal["ordered", "mean"]
    seconds: int
    projector: Literal["mlp", "vit", "resampler"]
    queries: int
    epochs: float
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup_ratio: float
    dropout: float
    level_std: float
    align_steps: int
    align_weight: float
    seed: int

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Return the kinds of tokens that are read."""
        return KINDS if self.tokens == "both" else (self.tokens,)


@dataclass(frozen=True)
class Tuned:
    """A tuned head.

    Attributes:
        model: with the parameters of the best epoch on split val, or of the last without one.
        chat: the LLM's prompts.
        history: columns step, epoch, train_loss, val_loss, val_srcc; NaN where not measured.
        best_epoch: whose parameters these are.
    """

    model: LmmVqa
    chat: Chat
    history: pd.DataFrame
    best_epoch: float


def tune(
    records: Sequence[Record],
    caches: Mapping[str, Caches],
    config: TuneConfig,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> Tuned:
    """Tune a head on the records of splits train and val.

    After each epoch the head is measured on val; the epoch with the highest SRCC of the level
    expectation (without MOS in val: with the lowest loss) is kept. Split test is never looked at.

    Args:
        caches: by dataset, then kind.

    Raises:
        TuneError: if no record is for training, or the data sets' tokens differ in kind.

    Source: LMM-VQA, arXiv:2408.14008, section III (frozen encoders and LLM). Differs: the epoch
    is chosen on videos held out from training; the authors' code splits questions, so that a
    video's two questions can fall on both sides.
    """
    tokenizer, llm = load_llm(config.llm, config.dtype)
    set_seed(config.seed)
    chat = Chat(tokenizer)
    _check(records, caches, config)
    usable = _with_tokens(records, caches)
    videos = {
        split: group(record for record in usable if record.split == split)
        for split in ("train", "val")
    }
    if not videos["train"]:
        raise TuneError("no video of split train has tokens; see split in params.yaml: datasets")
    if config.lora_rank:
        llm = lora.add(llm, config.lora_rank)
    first = videos["train"][0]
    shape = replace(
        token_shape(
            caches[first.dataset], first.video_id, config.tokens, config.time, config.seconds
        ),
        projector=config.projector,
        queries=config.queries if config.projector == "resampler" else 0,
    )
    model = LmmVqa(llm, shape, chat, config.dropout, config.align_weight)
    samples = {
        split: Samples(
            found, caches, chat, shape, config.level_std, config.seed, parts=split == "train"
        )
        for split, found in videos.items()
    }
    _standardise(model, samples["train"], config.kinds)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    log.info(
        "tuning %.2f M parameters on %d videos (val: %d), LLM %s",
        *(trained / 1e6, len(videos["train"]), len(videos["val"]), config.llm),
    )
    if config.align_steps:
        align(model, samples["train"], config.align_steps, config.learning_rate, config.seed)
    history, best_epoch = _train(model, samples, config, device)
    return Tuned(model.eval(), chat, history, best_epoch)


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
        for spatial, temporal in samples.tokens(STATISTICS_VIDEOS):
            tokens = spatial if kind == "spatial" else temporal
            flat = tokens.reshape(-1, tokens.shape[-1]).astype(np.float64)
            count, total = count + len(flat), total + flat.sum(0)
            squares = squares + (flat**2).sum(0)
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - mean**2, 0))
        model.projector.set_statistics(kind, torch.from_numpy(mean), torch.from_numpy(std))


def _train(
    model: LmmVqa, samples: Mapping[str, Samples], config: TuneConfig, device: str
) -> tuple[pd.DataFrame, float]:
    steps = -(-len(samples["train"]) // config.batch_size)  # per epoch
    has_val = len(samples["val"]) > 0
    keeper = _Keeper(model)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch,
            num_train_epochs=config.epochs,
            per_device_train_batch_size=config.batch_size,
            per_device_eval_batch_size=config.batch_size,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            warmup_steps=config.warmup_ratio,  # below 1 it is a share of all steps
            lr_scheduler_type="cosine",
            max_grad_norm=1.0,
            logging_steps=max(1, steps // LOGS_PER_EPOCH),
            eval_strategy="epoch" if has_val else "no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            label_names=["mos"],
            dataloader_pin_memory=False,
            use_cpu=device == "cpu" or not torch.cuda.is_available(),
            seed=config.seed,
        )
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=samples["train"],
            eval_dataset=samples["val"] if has_val else None,
            data_collator=collate,
            compute_metrics=_metrics,
            callbacks=[_Progress(), keeper],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    keeper.restore(float(trainer.state.epoch or 0))
    return _history(trainer.state.log_history), keeper.epoch


def _metrics(found: EvalPrediction) -> dict[str, float]:
    mos, score = np.asarray(found.label_ids), np.asarray(found.predictions)
    known = np.isfinite(mos) & np.isfinite(score)
    if len(set(mos[known])) < 3 or len(set(score[known])) < 2:
        return {"srcc": float("nan")}
    return {"srcc": float(spearmanr(mos[known], score[known]).statistic)}


class _Keeper(TrainerCallback):
    """Keeps the trained parameters of the best epoch in memory; a copy of the LLM is not made."""

    def __init__(self, model: LmmVqa) -> None:
        self._trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self._best: dict[str, Tensor] = {}
        self._measure = (-np.inf, -np.inf)
        self.epoch = 0.0

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        found = kwargs["metrics"]
        srcc = found["eval_srcc"]
        measure = (-np.inf if np.isnan(srcc) else srcc, -found["eval_loss"])
        if measure > self._measure:
            self._measure, self.epoch = measure, state.epoch
            self._best = {n: p.detach().to("cpu", copy=True) for n, p in self._trained.items()}

    @torch.no_grad()
    def restore(self, last_epoch: float) -> None:
        """Put the best parameters back; without validation the last ones stay."""
        if not self._best:
            self.epoch = last_epoch
        for name, value in self._best.items():
            self._trained[name].copy_(value)


class _Progress(TrainerCallback):
    """A line now and then: step, losses, rate, time left."""

    def __init__(self) -> None:
        self._began = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._began = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        found = kwargs["logs"]
        if "loss" in found and state.global_step:
            per_step = (time.monotonic() - self._began) / state.global_step
            left = (state.max_steps - state.global_step) * per_step
            log.info(
                "step %d of %d, loss %.3f, %.2f s a step, %.0f s left",
                *(state.global_step, state.max_steps, found["loss"], per_step, left),
            )
        elif "eval_loss" in found:
            log.info("val loss %.3f, val SRCC %.3f", found["eval_loss"], found["eval_srcc"])


def _history(logs: Sequence[Mapping[str, float]]) -> pd.DataFrame:
    names = {"loss": "train_loss", "eval_loss": "val_loss", "eval_srcc": "val_srcc"}
    rows: dict[int, dict[str, float]] = {}
    for entry in logs:
        found = {names[key]: value for key, value in entry.items() if key in names}
        if found:
            row = rows.setdefault(int(entry["step"]), {"epoch": entry["epoch"]})
            row.update(found)
    columns = ["step", "epoch", *names.values()]
    return pd.DataFrame([{"step": step, **row} for step, row in rows.items()], columns=columns)
