"""Stage demo: reads data/footage/, writes data/raw/demo/ and data/raw/demo_wild/ (params: demo)."""

import logging
import os

from pipeline import layout
from pipeline.demo.build import build
from pipeline.demo.sources import DEMO, DEMO_WILD
from pipeline.settings import DemoSettings

log = logging.getLogger(__name__)


def run(settings: DemoSettings, seed: int, workers: int = 0) -> None:
    """Make the data set to train on, and one of other footage and codecs to be tested on.

    Args:
        workers: shots worked on at the same time; 0: one per core.

    Raises:
        DemoError: footage is missing, or clips could not be made.
    """
    workers = workers or os.cpu_count() or 1
    log.info("demo: %s, seed %d, %d workers", settings, seed, workers)
    for name, footage, shots in (
        ("demo", DEMO, settings.shots),
        ("demo_wild", DEMO_WILD, settings.wild_shots),
    ):
        build(footage, layout.FOOTAGE, layout.raw(name), shots, settings, seed, workers)
