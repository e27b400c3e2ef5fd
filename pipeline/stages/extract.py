"""Both encoders from one decode: reads a manifest, writes data/<dataset>/{spatial,temporal}/.

A kind of tokens for which the data set's settings name features is imported instead.
"""

from pathlib import Path

from pipeline import extract, layout, manifest
from pipeline.cache import Kind
from pipeline.encode import Target
from pipeline.features.importing import import_features
from pipeline.plan import plan
from pipeline.settings import Params


def run(
    params: Params,
    dataset: str,
    kinds: tuple[Kind, ...] = ("spatial", "temporal"),
    *,
    dry_run: bool = False,
    retry_failed: bool = False,
    report: Path | None = None,
) -> None:
    """Bring the caches of one data set in line with its manifest; a dry run only says what is due.

    The folders are absolute, since workers of a remote scheduler start elsewhere.

    Args:
        params: of which sections spatial, temporal and run are read.
        dataset: its name.
        kinds: the caches to fill, by one decode of each video.
        dry_run: change nothing.
        retry_failed: only try again what failed before.
        report: HTML file for Dask's performance report.
    """
    table = manifest.read(layout.manifest(dataset))
    data = params.datasets.get(dataset)
    encoded = []
    for kind in kinds:
        folder = layout.cache(dataset, kind).absolute()
        if data and (features := getattr(data.features, kind)):
            import_features(table, features, data.root, folder, kind, dry_run)
        else:
            encoded.append(Target(getattr(params, kind), folder))
    targets = tuple(encoded)
    if not targets:
        return
    if dry_run:
        extract.announce(plan(table, targets, params.run, retry_failed), params.run)
    else:
        extract.extract(table, targets, params.run, retry_failed=retry_failed, report=report)
