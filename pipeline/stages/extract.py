"""Both encoders from one decode: reads a manifest, writes data/<dataset>/{spatial,temporal}/."""

import logging

from pipeline import extract, layout, manifest
from pipeline.cache import Kind
from pipeline.encode import Target
from pipeline.settings import Params

log = logging.getLogger(__name__)


def run(
    params: Params,
    dataset: str,
    kinds: tuple[Kind, ...] = ("spatial", "temporal"),
    dry_run: bool = False,
) -> None:
    """Bring the caches of one data set in line with its manifest; a dry run only says what is due.

    The folders are absolute, since workers of a remote scheduler start elsewhere.
    """
    targets = tuple(
        Target(getattr(params, kind), layout.cache(dataset, kind).absolute()) for kind in kinds
    )
    table = manifest.read(layout.manifest(dataset))
    if dry_run:
        log.info("%s", extract.plan(table, targets, params.run))
    else:
        extract.extract(table, targets, params.run)
