"""The first steps of tuning: the projector alone, then the LLM's reading of what it shows."""

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from llm_head.model import LmmVqa
from llm_head.practice import mixed, mixed_words, mixture
from llm_head.samples import Samples, collate
from llm_head.shown import pad

BATCH = 16
LOG_EVERY = 50
_WARM_UP = 0.1
_RATES = {"alignment": 1e-3, "practice": 6e-4}  # highest; they warm up and fall to zero

log = logging.getLogger(__name__)


def align(model: LmmVqa, samples: Samples, steps: int, seed: int) -> None:
    """Train a model's projector by the alignment loss alone; the LLM is not run.

    Every video comes mixed with another one of its data set, see `practice.mixed`. Where nothing is
    known of any video, nothing is done.

    Args:
        samples: of the training split.
        steps: batches of 16 videos of which something is known, drawn without repeats until all
            have had their turn.
    """
    device, known = model.head.device, samples.known
    if not known:
        log.warning("no alignment: of no training video a level or another closed answer is known")
        return

    def loss_of(drawn: Sequence[int], step: int) -> Tensor:
        found = [samples.shown(known[index], step) for index in drawn]
        batch = {k: v.to(device) for k, v in pad([tokens for tokens, _ in found]).items()}
        sets = samples.sets[[known[index] for index in drawn]].to(device)
        seconds, other = batch["seconds"], mixture(len(drawn), 0.0, device).within(sets)
        words = torch.stack([words for _, words in found]).to(device)
        words = mixed_words(words, other, model.alignment.tasks)
        parts = [mixed(batch[kind], seconds, other) for kind in ("spatial", "temporal")]
        loss: Tensor = model.alignment(*model.projector(*parts, seconds), words)
        return loss

    parameters = list(model.projector.parameters())
    model.train()
    _train("alignment", parameters, len(known), steps, seed, loss_of)


def practise(model: LmmVqa, samples: Samples, steps: int, seed: int) -> None:
    """Train a model's LLM to say the level that it is shown, see `practice`; nothing else changes.

    Args:
        samples: of the training split.
        steps: batches of 16 videos that have a MOS, drawn as in `align`.
    """
    device, rated = model.head.device, samples.rated
    if not rated:
        log.warning("no practice: no training video has a MOS, so none is asked for its level")
        return

    def loss_of(drawn: Sequence[int], step: int) -> Tensor:
        batch = collate([samples.drawn(rated[index], step) for index in drawn])
        loss: Tensor = model(**{k: v.to(device) for k, v in batch.items()})["loss"]
        return loss

    parameters = [parameter for parameter in model.llm.parameters() if parameter.requires_grad]
    share, samples.practice = samples.practice, 1.0
    model.train()
    _train("practice", parameters, len(rated), steps, seed, loss_of)
    samples.practice = share


def _train(
    name: str,
    parameters: list[nn.Parameter],
    count: int,
    steps: int,
    seed: int,
    loss_of: Callable[[Sequence[int], int], Tensor],
) -> None:
    """Take so many steps down a loss of some of `count` samples."""
    rate = _RATES[name]
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01)
    total_steps = steps + 1
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        rate,
        total_steps=total_steps,
        # with fewer than two steps to warm up it divides by zero
        pct_start=min(max(_WARM_UP, 2 / total_steps), 1.0),
    )
    order = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)  # of mixtures, noise and dropout
    waiting: list[int] = []
    total, seen = 0.0, 0
    for step in range(1, steps + 1):
        while len(waiting) < min(BATCH, count):
            waiting += torch.randperm(count, generator=order).tolist()
        drawn, waiting = waiting[:BATCH], waiting[BATCH:]
        loss = loss_of(drawn, step)
        optimizer.zero_grad()
        if loss.requires_grad:  # of two mixed videos, both must be known
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        total, seen = total + float(loss.detach()), seen + 1
        if step % LOG_EVERY == 0 or step == steps:
            log.info("%s: step %d of %d, loss %.3f", name, step, steps, total / seen)
            total, seen = 0.0, 0
