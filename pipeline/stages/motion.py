"""Stage motion: reads data/footage/, writes data/raw/<dataset>/ (params: seed, motion)."""

import logging
import os

from pipeline import layout
from pipeline.demo.motion_make import build
from pipeline.settings import MotionSettings

log = logging.getLogger(__name__)


def run(settings: MotionSettings, dataset: str, seed: int, workers: int = 0) -> None:
    """Make clips of known motion, conversations to learn from and questions to be tested.

    Args:
        workers: pictures worked on at the same time; 0: one per core.

    Raises:
        DemoError: footage is missing, or clips could not be made.
    """
    workers = workers or os.cpu_count() or 1
    log.info("%s: %s, seed %d, %d workers", dataset, settings, seed, workers)
    build(layout.FOOTAGE, layout.raw(dataset), settings.scenes, seed, workers)
