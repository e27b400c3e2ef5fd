"""Stage conversations: reads a file of conversations in LLaVA's format, data/<dataset>/manifest.csv
and the indexes of its caches, writes data/instruct/<dataset>.conversations.jsonl.

Params: conversations; tune.tokens says which caches are read.
"""

import logging
from collections import Counter

from llm_head import conversations, instruct
from llm_head.data import KINDS, token_names
from pipeline import layout, manifest
from pipeline.atomic import write_text
from pipeline.cache import TokenCache
from pipeline.questions import finder
from pipeline.settings import Params

log = logging.getLogger(__name__)


def run(params: Params, dataset: str) -> None:
    """Bring conversations about one data set's videos into the form that tune reads.

    Raises:
        InstructError: if none is about a video that has tokens.
    """
    table = manifest.read(layout.manifest(dataset))
    kinds = KINDS if params.tune.tokens == "both" else (params.tune.tokens,)
    names = token_names({kind: TokenCache(layout.cache(dataset, kind)) for kind in kinds})
    splits = dict(zip(table["video_id"], table["split"], strict=True))
    path = params.conversations.files[dataset]
    found, left_out = conversations.read(path, dataset, finder(splits), splits, names)
    if not found:
        raise instruct.InstructError(
            f"{path}: no conversation is about a video of {dataset} that has tokens"
        )
    target = layout.conversations(dataset)
    write_text(target, instruct.to_jsonl(found))
    counts = Counter(record.split for record in found)
    log.info("%s: %d conversations, %s", target, len(found), dict(counts))
    if left_out:
        log.warning("%s: %d are about videos that %s has not", path, left_out, dataset)
