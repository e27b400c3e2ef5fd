"""Stage spatial: reads a data set's manifest and videos, writes data/<dataset>/spatial/."""

from typing import Any

from pipeline.settings import Params
from pipeline.stages import extract


def run(params: Params, dataset: str, **options: Any) -> None:
    """Bring the spatial tokens of one data set in line with its manifest; options of `extract`."""
    extract.run(params, dataset, ("spatial",), **options)
