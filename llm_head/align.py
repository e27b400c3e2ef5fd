"""The first step of tuning: alignment of the projector alone, see `llm_head.alignment`."""

import logging

import torch
from torch import nn

from llm_head.data import Samples
from llm_head.model import LmmVqa
from llm_head.shown import pad

BATCH = 16
RATE = 1e-3  # highest learning rate; it warms up and falls to zero
LOG_EVERY = 50
_WARM_UP = 0.1

log = logging.getLogger(__name__)


def align(model: LmmVqa, samples: Samples, steps: int, seed: int) -> None:
    """Train a model's projector by the alignment loss alone; the LLM is not run.

    Args:
        samples: of the training split.
        steps: batches of 16 videos, drawn without repeats until all have had their turn.
    """
    parameters = list(model.projector.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=steps + 1, pct_start=_WARM_UP
    )
    order = torch.Generator().manual_seed(seed)
    model.train()
    waiting: list[int] = []
    total, seen = 0.0, 0
    for step in range(1, steps + 1):
        while len(waiting) < min(BATCH, len(samples)):
            waiting += torch.randperm(len(samples), generator=order).tolist()
        drawn, waiting = waiting[:BATCH], waiting[BATCH:]
        found = [samples.shown(index, step) for index in drawn]
        batch = pad([tokens for tokens, _ in found])
        words = torch.stack([words for _, words in found])
        projected = model.projector(batch["spatial"], batch["temporal"])
        loss = model.alignment(projected, batch["seconds"], words)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        total, seen = total + float(loss.detach()), seen + 1
        if step % LOG_EVERY == 0 or step == steps:
            log.info("alignment: step %d of %d, loss %.3f", step, steps, total / seen)
            total, seen = 0.0, 0
