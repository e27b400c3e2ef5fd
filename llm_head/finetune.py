"""Tuning that goes on from a tuned head, on another data set."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from transformers import set_seed

from llm_head import resume
from llm_head.calibrate import calibrate
from llm_head.checkpoint import Head
from llm_head.config import TuneConfig
from llm_head.data import Caches
from llm_head.fit import fit
from llm_head.instruct import Record, taught
from llm_head.llm import on_device
from llm_head.practice import SHARE
from llm_head.readout import ReadOut
from llm_head.tune import Tuned, TuneError, samples_of, videos_of, with_pairs

log = logging.getLogger(__name__)


def fine_tune(
    head: Head,
    records: Sequence[Record],
    caches: Mapping[str, Caches],
    config: TuneConfig,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    work: Path | None = None,
    start: str = "",
) -> Tuned:
    """Tune a head further on the records of splits train and val; the head given is changed.

    As `llm_head.tune.tune`, but for the start: projector, LLM or LoRA layers, and the features'
    means and deviations are the head's own. There is neither dropout nor alignment, as in a loaded
    head; the ranking loss is there by its weight, and practice, with the projector as it is, if the
    head has practised.

    Args:
        caches: by dataset, then kind.
        work: as `llm_head.tune.tune`.
        start: `checkpoint.identity` of the head; tells states in `work` apart.

    Raises:
        TuneError: if no record is for training, or the head was tuned with other tokens, time
            or text beside them, or with another part of the LLM.

    Source: the protocol of the field (trained on LSVQ, then fine-tuned per data set).
    """
    shape = head.shape
    differing = [
        f"{name}: {there} (tune asks for {asked})"
        for name in ("tokens", "time", "seconds", "projector", "markers", "cue")
        if (there := getattr(shape, name)) != (asked := getattr(config, name))
    ]
    if differing:
        raise TuneError(
            f"the head was tuned with other settings, {', '.join(differing)}; run stage tune again"
        )
    if config.llm_trained != head.llm_trained:
        raise TuneError(
            f"of the head's LLM, {head.llm_trained} was trained; section tune asks for "
            f"{config.llm_trained}; run stage tune again"
        )
    set_seed(config.seed)
    videos = videos_of(records, caches, config)
    samples = samples_of(videos, caches, head.chat, shape, config)
    for name, parameter in head.model.llm.named_parameters():
        parameter.requires_grad_(config.train_llm or "lora_" in name)  # all are loaded frozen
    if config.gradient_checkpointing:
        head.model.recompute()
    if config.practice_steps:  # as in `tune`: what the LLM has learned to read keeps its meaning
        head.model.projector.requires_grad_(False)
        samples["train"].practice = SHARE
    head.model.rank_weight = config.rank_weight
    head.model.answer_weight = config.answer_weight
    log.info("fine-tuning on %d videos (val: %d)", len(videos["train"]), len(videos["val"]))
    if work:
        work = work / resume.key(records, caches, config, {"head": start}, on_device(device))
    history, best_epoch = fit(head.model, with_pairs(samples, config), config, device, work)
    readout = ReadOut(head.model, head.chat, config.level_std)
    calibration = calibrate(readout, videos["val"], caches)
    told = (record for video in videos["train"] for record in video.records)
    learned = taught(told, head.taught)
    return Tuned(head.model.eval(), head.chat, history, best_epoch, calibration, learned)
