"""Stage tune: reads data/instruct/<dataset>.jsonl (and .conversations.jsonl, where there is one)
and data/<dataset>/{spatial,temporal}/ of the training sets, writes results/model/. Killed, it goes
on from results/.tuning/. Several processes can share the work, see docs/tuning.md.

Params: seed, tune, spatial, temporal, conversations.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from llm_head import checkpoint, instruct, processes, questions, resume
from llm_head.config import TuneConfig
from llm_head.tune import tune
from pipeline import layout
from pipeline.cache import TokenCache
from pipeline.settings import Params

log = logging.getLogger(__name__)


def run(params: Params) -> None:
    """Tune the head and write its checkpoint."""
    processes.begin()
    settings = params.tune
    records = [
        record
        for name in settings.train_on
        for path in _files(params, name)
        for record in instruct.read(path, name)
    ]
    config = TuneConfig(**settings.model_dump(exclude={"train_on"}), seed=params.seed)
    caches = {
        name: {kind: TokenCache(layout.cache(name, kind)) for kind in config.kinds}
        for name in settings.train_on
    }
    sharded = params.run.shard_llm
    work = None if sharded else layout.TUNING / "tune"
    tuned = tune(records, caches, config, params.run.device, work, sharded)
    if not processes.is_first():
        return
    fingerprints = {kind: cache.fingerprint for kind, cache in caches[settings.train_on[0]].items()}
    checkpoint.save(layout.MODEL, tuned, config, fingerprints, _origin(params, records))
    if work:
        resume.forget(work)
    log.info("%s: epoch %g of %g", layout.MODEL, tuned.best_epoch, config.epochs)


def _files(params: Params, name: str) -> list[Path]:
    others = [layout.conversations(name)] if name in params.conversations.files else []
    return [layout.instructions(name), *others]


def _origin(params: Params, records: Sequence[instruct.Record]) -> checkpoint.Origin:
    """Return what the checkpoint must know of encoders and labels to be used on its own."""
    data = {
        name: {"mos_source": _source(records, name)}
        | {
            split: len({r.video for r in records if (r.dataset, r.split) == (name, split)})
            for split in ("train", "val")
        }
        for name in params.tune.train_on
    }
    encoders = {
        "spatial": params.spatial.model_dump(mode="json"),
        "temporal": params.temporal.model_dump(mode="json"),
    }
    others = sorted({record.task for record in records} - set(questions.TASKS))
    return checkpoint.Origin(encoders, data, tuple(others))  # type: ignore[arg-type]


def _source(records: Sequence[instruct.Record], dataset: str) -> str:
    """Return whose the MOS are that a data set is learned with; none: it has none."""
    rated = [record for record in records if record.dataset == dataset and record.mos is not None]
    return ", ".join(sorted({record.mos_source or "not stated" for record in rated})) or "none"
