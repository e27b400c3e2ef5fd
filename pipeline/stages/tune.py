"""Stage tune: reads data/instruct/<dataset>.jsonl and data/<dataset>/{spatial,temporal}/ of the
training sets, writes results/model/.

Params: seed, tune.
"""

import logging

from llm_head import checkpoint, instruct
from llm_head.config import TuneConfig
from llm_head.tune import tune
from pipeline import layout
from pipeline.cache import TokenCache
from pipeline.settings import Params

log = logging.getLogger(__name__)


def run(params: Params) -> None:
    """Tune the head and write its checkpoint."""
    settings = params.tune
    records = [
        record
        for name in settings.train_on
        for record in instruct.read(layout.instructions(name), name)
    ]
    config = TuneConfig(**settings.model_dump(exclude={"train_on"}), seed=params.seed)
    caches = {
        name: {kind: TokenCache(layout.cache(name, kind)) for kind in config.kinds}
        for name in settings.train_on
    }
    tuned = tune(records, caches, config, params.run.device)
    fingerprints = {kind: cache.fingerprint for kind, cache in caches[settings.train_on[0]].items()}
    checkpoint.save(layout.MODEL, tuned, config, fingerprints)
    log.info("%s: epoch %g of %g", layout.MODEL, tuned.best_epoch, config.epochs)
