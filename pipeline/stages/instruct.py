"""Stage instruct: reads data/<dataset>/manifest.csv and the indexes of its caches, writes
data/instruct/<dataset>.jsonl.

Params: seed, instruct; tune.tokens says which caches are read.
"""

import logging
from collections import Counter

from llm_head import instruct
from llm_head.data import KINDS, token_names
from pipeline import layout, manifest
from pipeline.atomic import write_text
from pipeline.cache import TokenCache
from pipeline.settings import Params

log = logging.getLogger(__name__)


def run(params: Params, dataset: str) -> None:
    """Write the questions and answers about those videos of one data set that have tokens."""
    table = manifest.read(layout.manifest(dataset))
    kinds = KINDS if params.tune.tokens == "both" else (params.tune.tokens,)
    names = token_names({kind: TokenCache(layout.cache(dataset, kind)) for kind in kinds})
    settings = params.instruct
    records = instruct.build(table, dataset, settings.tasks, names, params.seed, settings.levels)
    path = layout.instructions(dataset)
    write_text(path, instruct.to_jsonl(records))
    counts = Counter(record.task for record in records)
    log.info("%s: %d records of %d videos, %s", path, len(records), len(table), dict(counts))
