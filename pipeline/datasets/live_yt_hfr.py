"""LIVE-YT-HFR: 480 videos, 16 contents at 6 frame rates and 5 levels of compression.

Madhusudana et al.: Subjective and Objective Quality Assessment of High Frame Rate Videos, IEEE
Access 2021; github.com/pavancm/LIVE-HFR.

- Videos: `CONTENT_crf_N_RATEfps` with any video suffix, in any folder.
- Authors' labels: `subjective_scores/subject_MOS.csv`, one column per video, rows `MOS` and `std`,
  on 0-100. `subject_DMOS.csv` (differences to the reference) is another quantity and is not read.
"""

from pipeline.labels import Labels
from pipeline.published import Facts, Form, read_published
from pipeline.settings import DatasetSettings

FACTS = Facts(
    title="LIVE-YT-HFR",
    scale=(0, 100),
    content=lambda video_id: video_id.split("_crf_")[0],
    forms={
        "": (Form(files=("subject_MOS.csv",), name="name", mos="mos", std="std", across=True),),
    },
)


def read(settings: DatasetSettings, seed: int) -> Labels:
    """Return the labels of the data set."""
    return read_published(FACTS, settings, seed)
