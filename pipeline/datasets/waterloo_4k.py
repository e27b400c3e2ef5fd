"""Waterloo IVC 4K: 1,200 videos, 20 sources by 5 encoders, 3 resolutions and 4 levels.

Li, Duanmu, Liu, Wang: AVC, HEVC, VP9, AVS2 or AV1?, ICIAR 2019; ivc.uwaterloo.ca/database/4KVQA.

- Labels: `scores.txt`, lines of encoder, source, resolution, level and MOS, without a header, on
  0-100.
- Videos: how the archives name their files was not established. They are expected as
  `ENCODER_SOURCE_RESOLUTION_LEVEL` with a video suffix, spelt as in the labels; otherwise rename
  them, or write a table for adapter `csv`.
- The content is the source.
"""

from pipeline.labels import Labels
from pipeline.published import Facts, Form, read_published
from pipeline.settings import DatasetSettings

FACTS = Facts(
    title="Waterloo IVC 4K",
    scale=(0, 100),
    content=lambda video_id: video_id.split("_")[1],
    forms={
        "": (
            Form(
                files=("scores.txt",),
                joined=("encoder", "source", "resolution", "level"),
                mos="mos",
                header=("encoder", "source", "resolution", "level", "mos"),
            ),
        ),
    },
)


def read(settings: DatasetSettings, seed: int) -> Labels:
    """Return the labels of the data set."""
    return read_published(FACTS, settings, seed)
