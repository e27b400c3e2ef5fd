"""Tuning that goes on after a kill, to the same weights as if nothing had happened.

Now and then the trained parameters, the optimizer, the schedule, the random generators and the best
epoch so far are written to a folder whose name is a hash of all that decides the weights; so a run
with other settings, videos or code begins anew. Parameters are safetensors. Optimizer, schedule and
generators are PyTorch's own files, written by us and read back with `weights_only`.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import broadcast
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import Sampler, SequentialSampler
from transformers import Trainer, TrainerCallback

from llm_head import processes, shards
from llm_head.batches import ByLength
from llm_head.config import TuneConfig
from llm_head.data import Caches
from llm_head.instruct import Record, to_jsonl
from llm_head.model import LmmVqa
from pipeline.cache import canonical

SAVE_EVERY_S = 300.0  # beside the end of every epoch
_COMPLETE = "complete"  # written last
_TRAINED, _BEST, _STATE = "model.safetensors", "best.safetensors", "resume.json"


def key(
    records: Iterable[Record],
    caches: Mapping[str, Caches],
    config: TuneConfig,
    start: Mapping[str, Any],
    device: str,
) -> str:
    """Return a name that two tunings share only if they end with the same weights.

    Args:
        start: what tells the LLM, or the head that is tuned further, from others.
        device: cpu or cuda.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    decides = {
        "config": asdict(config),
        "start": dict(start),
        "device": device,
        "processes": processes.count(),
        "caches": {
            name: {kind: cache.fingerprint_sha256 for kind, cache in kinds.items()}
            for name, kinds in caches.items()
        },
        "versions": {name: version(name) for name in ("torch", "transformers", "peft")},
    }
    digest.update(canonical(decides).encode())
    digest.update(to_jsonl(records).encode())
    return digest.hexdigest()[:16]


def last(work: Path) -> Path | None:
    """Return the newest state in a folder that was written to its end."""
    found = [path.parent for path in work.glob(f"checkpoint-*/{_COMPLETE}")]
    return max(found, key=lambda folder: int(folder.name.partition("-")[2]), default=None)


def forget(work: Path) -> None:
    """Remove the state of a tuning that is done, and the folder of states if it was the last."""
    shutil.rmtree(work, ignore_errors=True)
    with suppress(OSError):  # there are others
        work.parent.rmdir()


class Keeper(TrainerCallback):
    """Keeps the trained parameters of the best epoch in memory; a copy of the LLM is not made."""

    def __init__(self, model: LmmVqa) -> None:
        # a projector that is kept from here on was trained before, in the first steps of tuning
        self.trained = {
            name: parameter
            for name, parameter in model.named_parameters()
            if parameter.requires_grad or name.startswith("projector.")
        }
        self.sharded = any(shards.is_part(p) for p in model.parameters())
        self.best: dict[str, Tensor] = {}
        self.least = np.inf
        self.epoch = 0.0

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        loss = kwargs["metrics"]["eval_loss"]
        if loss < self.least:
            self.least, self.epoch = loss, state.epoch
            self.best = {
                name: shards.part(parameter).detach().to("cpu", copy=True)
                for name, parameter in self.trained.items()
            }

    @torch.no_grad()
    def restore(self, last_epoch: float) -> None:
        """Put the best parameters back; without validation the last ones stay."""
        if not self.best:
            self.epoch = last_epoch
        for name, value in self.best.items():
            shards.part(self.trained[name]).copy_(value)


class ResumableTrainer(Trainer):
    """transformers' Trainer, but for two things.

    It writes only what is trained, and the best epoch. And its batches are of like lengths, where
    the videos are not: Trainer's own grouping by length reads every sample for it, and changes the
    order of equally long ones too.
    """

    def __init__(self, *, keeper: Keeper, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._keeper = keeper
        self._unlogged: tuple[float, int] | None = None  # loss since the last log, and its step

    def _move_model_to_device(self, model: Any, device: Any) -> None:
        pass  # it is there, see `tune`; parts of an LLM cannot be moved

    def get_train_dataloader(self) -> Any:
        """Return the Trainer's loader, its order changed by length if lengths differ."""
        loader: Any = super().get_train_dataloader()
        samples: Any = self.train_dataset
        if samples.mixed:
            size = self.args.per_device_train_batch_size * self.args.gradient_accumulation_steps
            order = ByLength(loader.get_sampler(), samples, size * processes.count())
            loader.set_sampler(order)
        return loader

    def _get_eval_sampler(self, eval_dataset: Any) -> Sampler[int] | None:
        if not eval_dataset.mixed:
            sampler: Sampler[int] | None = super()._get_eval_sampler(eval_dataset)
            return sampler
        size = self.args.per_device_eval_batch_size * processes.count()
        return ByLength(SequentialSampler(eval_dataset), eval_dataset, size)

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the loss of a batch; of an LLM in parts, gradients are then averaged."""
        loss: Tensor = super().training_step(*args, **kwargs)
        if self._keeper.sharded and self.accelerator.sync_gradients:
            shards.average(self._keeper.trained.values())
        return loss

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder, keeper = Path(str(output_dir)), self._keeper
        loss = float(self.accelerator.gather(self._tr_loss).mean())
        if not self.args.should_save:
            return
        folder.mkdir(parents=True, exist_ok=True)
        trained = {name: p.detach().cpu().contiguous() for name, p in keeper.trained.items()}
        save_file(trained, folder / _TRAINED)
        if keeper.best:
            save_file(keeper.best, folder / _BEST)
        state = {
            "least": keeper.least if keeper.best else None,
            "epoch": keeper.epoch,
            "loss": loss,
            "logged": self._globalstep_last_logged,
        }
        (folder / _STATE).write_text(json.dumps(state), encoding="utf-8")

    @torch.no_grad()
    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        folder, keeper = Path(resume_from_checkpoint), self._keeper
        for name, value in load_file(folder / _TRAINED).items():
            keeper.trained[name].copy_(value)
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        if state["least"] is not None:
            keeper.best = load_file(folder / _BEST)
            keeper.least, keeper.epoch = state["least"], state["epoch"]
        self._unlogged = state["loss"], state["logged"]

    def go_on(self) -> None:
        """Put back the loss that was not logged yet, once the trainer has set it to zero."""
        if self._unlogged:
            loss, self._globalstep_last_logged = self._unlogged
            self._tr_loss += loss


class Saver(TrainerCallback):
    """Says when the state is written: after each epoch, and by the clock."""

    def __init__(self, trainer: ResumableTrainer, steps: int) -> None:
        """Watch a trainer whose epochs have so many steps."""
        self._trainer, self._steps = trainer, steps
        self._saved = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._trainer.go_on()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # not after an epoch's last step: its validation, still to come, would be left out
        if state.global_step % self._steps and self._is_due():
            control.should_save = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._trainer.accelerator.wait_for_everyone()  # each process has generators of its own
        if processes.is_first():
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / _COMPLETE).touch()
        self._saved = time.monotonic()

    def _is_due(self) -> bool:
        """Return what the first process's clock says, so that all of them save together."""
        due = torch.tensor(time.monotonic() - self._saved >= SAVE_EVERY_S)
        if processes.count() > 1:
            due = broadcast(due.to(self._trainer.accelerator.device))
        return bool(due)
