"""The training loop: transformers' Trainer, the best epoch by validation, a line now and then."""

import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from transformers import (
    EvalPrediction,
    PrinterCallback,
    TrainerCallback,
    TrainingArguments,
)

from llm_head import processes
from llm_head.config import TuneConfig
from llm_head.llm import on_device
from llm_head.model import LmmVqa
from llm_head.pairs import WithPairs
from llm_head.resume import Keeper, ResumableTrainer, Saver, last
from llm_head.samples import collate

LOGS_PER_EPOCH = 5

log = logging.getLogger(__name__)


def fit(
    model: LmmVqa,
    samples: Mapping[str, WithPairs],
    config: TuneConfig,
    device: str,
    work: Path | None = None,
) -> tuple[pd.DataFrame, float]:
    """Train what has a gradient, and leave the parameters of the best epoch in the model.

    Args:
        samples: of splits train and val; without videos in val the last epoch stays.
        work: folder of this very tuning, to go on from if there is something in it, see
            `resume.key`; without, nothing is kept.

    Returns:
        history (columns step, epoch, train_loss, val_loss, val_srcc; NaN where not measured), and
        the epoch that was kept.
    """
    per_step = config.batch_size * config.accumulate * processes.count()
    steps = -(-len(samples["train"]) // per_step)  # per epoch
    has_val = len(samples["val"]) > 0
    rated = {video.dataset for video in samples["val"].videos if video.mos is not None}
    keeper = Keeper(model)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=str(work or scratch),
            num_train_epochs=config.epochs,
            per_device_train_batch_size=config.batch_size,
            per_device_eval_batch_size=config.batch_size,
            gradient_accumulation_steps=config.accumulate,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            warmup_steps=config.warmup_ratio,  # below 1 it is a share of all steps
            lr_scheduler_type="cosine",
            max_grad_norm=1.0,
            logging_steps=max(1, steps // LOGS_PER_EPOCH),
            eval_strategy="epoch" if has_val else "no",
            save_strategy="no",  # `Saver` says when
            save_total_limit=2,
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            label_names=["mos"],
            dataloader_pin_memory=False,
            use_cpu=on_device(device) == "cpu",
            seed=config.seed,
            ddp_find_unused_parameters=False,
            ddp_broadcast_buffers=False,
        )
        arguments._n_gpu = min(1, arguments.n_gpu)  # a process has one GPU, whatever it sees
        trainer = ResumableTrainer(
            keeper=keeper,
            model=model,
            args=arguments,
            train_dataset=samples["train"],
            eval_dataset=samples["val"] if has_val else None,
            data_collator=collate,
            compute_metrics=partial(_metrics, sets=len(rated)),
            callbacks=[_Progress(), _Epochs(samples["train"]), keeper],
        )
        trainer.remove_callback(PrinterCallback)
        begun = last(work) if work else None
        if work:
            trainer.add_callback(Saver(trainer, steps))
        if begun:
            log.info("going on from %s", begun)
        trainer.train(resume_from_checkpoint=str(begun) if begun else None)
    keeper.restore(float(trainer.state.epoch or 0))
    return _history(trainer.state.log_history), keeper.epoch


def _metrics(found: EvalPrediction, sets: int) -> dict[str, float]:
    """Return the SRCC; NaN where several data sets have a MOS, for their scales differ."""
    mos, score = np.asarray(found.label_ids), np.asarray(found.predictions)
    known = np.isfinite(mos) & np.isfinite(score)
    if sets > 1 or len(set(mos[known])) < 3 or len(set(score[known])) < 2:
        return {"srcc": float("nan")}
    return {"srcc": float(spearmanr(mos[known], score[known]).statistic)}


class _Epochs(TrainerCallback):
    """Tells the samples which epoch it is; with several processes nobody else does."""

    def __init__(self, samples: WithPairs) -> None:
        self._samples = samples

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._samples.set_epoch(int(state.epoch or 0))


class _Progress(TrainerCallback):
    """A line now and then: step, losses, rate, time left."""

    def __init__(self) -> None:
        self._began, self._before = 0.0, 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._began, self._before = time.monotonic(), state.global_step

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        found = kwargs["logs"]
        if not state.is_world_process_zero:
            return
        if "loss" in found and state.global_step:
            per_step = (time.monotonic() - self._began) / (state.global_step - self._before)
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
