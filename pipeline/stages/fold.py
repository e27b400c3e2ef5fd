"""Stage fold: one part of the protocol. Reads data/<dataset>/{manifest.csv,spatial/,temporal/},
data/hashes/ and, to start from it, results/model/; writes results/folds/<dataset>/<part>.csv.
Killed, it goes on from results/.tuning/.

Params: seed, instruct, tune, protocol (but for fine_tune).
"""

import logging
import tempfile
from pathlib import Path
from typing import Literal

import pandas as pd

from llm_head import checkpoint, instruct, predictions, processes, resume
from llm_head.checkpoint import Fingerprints, Head
from llm_head.config import TuneConfig
from llm_head.data import Caches, token_names
from llm_head.finetune import fine_tune
from llm_head.processes import ProcessesError
from llm_head.tune import Tuned, tune
from pipeline import layout, leaks, manifest
from pipeline.atomic import write_text
from pipeline.cache import TokenCache
from pipeline.protocol import divide
from pipeline.settings import Params

log = logging.getLogger(__name__)


def run(params: Params, dataset: str, part: int) -> None:
    """Tune on the training videos of one part, and write predictions for its test videos.

    Raises:
        LeakError: if a test video is trained on too and protocol.leaks is stop.
        ProtocolError: if the data set cannot be divided.
        ProcessesError: if the LLM is to be cut over processes.
    """
    processes.begin()
    if params.run.shard_llm:
        raise ProcessesError("run.shard_llm: stage fold does not cut the LLM; set it to false")
    config = TuneConfig(
        **params.tune.model_dump(exclude={"train_on", "epochs", "weights", "rank_only"}),
        weights={},
        rank_only=(),
        epochs=params.protocol.epochs,
        seed=params.seed,
    )
    table = manifest.read(layout.manifest(dataset))
    table = table[table["mos"].notna()].reset_index(drop=True)
    table["split"] = divide(table, dataset, params.protocol, part, params.seed)
    _check_leaks(params, dataset, part, table)
    caches: Caches = {kind: TokenCache(layout.cache(dataset, kind)) for kind in config.kinds}
    table = table[predictions.has_tokens(table, caches)]
    work = layout.TUNING / f"{dataset}-{part}"
    tuned = _tuned(params, dataset, table, caches, config, work)
    if not processes.is_first():
        return
    head = _as_loaded(tuned, config, caches, params.run.device)
    test = table[table["split"] == "test"]
    found = pd.DataFrame(
        predictions.predict(head, test, caches), columns=predictions.COLUMNS
    ).assign(**predictions.baselines([(table, caches)], test, caches, head.shape, params.seed))
    path = layout.fold(dataset, part)
    write_text(path, found.to_csv(index=False, lineterminator="\n"))
    resume.forget(work)
    log.info("%s: %d videos, %s", path, len(found), table["split"].value_counts().to_dict())


def _tuned(
    params: Params,
    dataset: str,
    table: pd.DataFrame,
    caches: Caches,
    config: TuneConfig,
    work: Path,
) -> Tuned:
    """Tune, from the start that section protocol names."""
    names = token_names(caches)
    records = instruct.build(
        table, dataset, params.instruct.tasks, names, params.seed, params.instruct.levels
    )
    device = params.run.device
    if params.protocol.start == "scratch":
        return tune(records, {dataset: caches}, config, device, work)
    start = checkpoint.load(layout.MODEL, _prints(caches), device)
    name = checkpoint.identity(layout.MODEL)
    return fine_tune(start, records, {dataset: caches}, config, device, work, name)


def _prints(caches: Caches) -> Fingerprints:
    return {kind: cache.fingerprint for kind, cache in caches.items()}


def _as_loaded(
    tuned: Tuned, config: TuneConfig, caches: Caches, device: Literal["auto", "cpu", "cuda"]
) -> Head:
    """Return a head as stage predict would load it, so both score alike."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        checkpoint.save(folder, tuned, config, _prints(caches))
        return checkpoint.load(folder, _prints(caches), device)


def _check_leaks(params: Params, dataset: str, part: int, table: pd.DataFrame) -> None:
    """Compare this part's test videos with its training videos, and with those of the start."""
    split = dict(zip(table["video_id"], table["split"], strict=True))
    hashes = leaks.read(layout.hashes(dataset))
    ours = hashes.assign(split=hashes["video_id"].map(split).fillna(""))
    train = leaks.seen(ours, dataset, ("train", "val"))
    if params.protocol.start == "model":
        for name in params.tune.train_on:
            train += leaks.seen(leaks.read(layout.hashes(name)), name, ("train", "val"))
    found = leaks.find(train, leaks.seen(ours, dataset, ("test",)))
    if params.protocol.leaks == "stop":
        leaks.refuse(found, f"{dataset}, part {part}")
    elif found:
        log.warning("%s, part %d: %s", dataset, part, leaks.describe(found))
