"""Stage leaks: reads data/hashes/<dataset>.csv of every data set, writes results/leaks.csv.

Params: datasets, tune.train_on, protocol.leaks.
"""

import logging

import pandas as pd

from pipeline import layout, leaks
from pipeline.atomic import write_text
from pipeline.settings import Params

log = logging.getLogger(__name__)


def run(params: Params) -> None:
    """Compare what is trained on (splits train and val) with every video that is tested on.

    Raises:
        LeakError: if a video is on both sides and protocol.leaks is stop; the list is written.
    """
    train, test = [], []
    for name in params.datasets:
        table = leaks.read(layout.hashes(name))
        trained = name in params.tune.train_on
        if trained:
            train += leaks.seen(table, name, ("train", "val"))
        test += leaks.seen(table, name, ("test",) if trained else ("test", "val"))
    found = leaks.find(train, test)
    rows = pd.DataFrame([vars(leak) for leak in found], columns=["train", "test", "why"])
    write_text(layout.LEAKS, rows.to_csv(index=False, lineterminator="\n"))
    log.info("%s: %d training, %d test videos compared", layout.LEAKS, len(train), len(test))
    if params.protocol.leaks == "stop":
        leaks.refuse(found, str(layout.LEAKS))
    elif found:
        log.warning("%s", leaks.describe(found))
