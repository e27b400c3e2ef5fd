"""Stage temporal: reads a data set's manifest and videos, writes data/<dataset>/temporal/."""

from pipeline.settings import Params
from pipeline.stages import extract


def run(params: Params, dataset: str, dry_run: bool = False) -> None:
    """Bring the temporal tokens of one data set in line with its manifest."""
    extract.run(params, dataset, ("temporal",), dry_run)
