"""LSVQ's second test set, 1080p; facts and sources are in `pipeline.datasets.lsvq`.

Authors' labels: `labels_test_1080p.csv`. A set of its own here, since results are reported apart;
`root` may be the same folder.
"""

from dataclasses import replace

from pipeline.datasets import lsvq
from pipeline.labels import Labels
from pipeline.published import Form, read_published
from pipeline.settings import DatasetSettings

FACTS = replace(
    lsvq.FACTS,
    title="LSVQ-1080p",
    forms={
        "test": (
            Form(files=("labels_test_1080p.csv",), name="name", mos="mos"),
            Form(files=("LSVQ_whole_test_1080p.csv",), name="name", mos="mos"),
            Form(files=("labels_1080p.txt",), name="name", mos="mos", header=lsvq.TEXT),
            Form(files=("LSVQ_whole_test_1080p_ds_score.json",), name="imageid", mos="score"),
        ),
    },
)


def read(settings: DatasetSettings, seed: int) -> Labels:
    """Return the labels of the set."""
    return read_published(FACTS, settings, seed)
