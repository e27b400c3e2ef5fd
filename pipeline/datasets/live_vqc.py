"""LIVE-VQC, the LIVE video quality challenge database: 585 videos, each of a content of its own.

Sinno, Bovik: Large-Scale Study of Perceptual Video Quality, TIP 2019, arXiv 1803.01761.

- Videos: `Video/A001.mp4` and so on.
- Authors' labels: `data.mat` (version 5) with `video_list` and `mos`. MOS on 0-100. Deviations and
  numbers of ratings were not found in it.
- In circulation: `LIVE_VQC_data.mat` with the same variables (sunwei925/MinimalisticVQA),
  `LIVE-VQC_.csv` (name, mos) and question-answer lists with five folds (Zhanghahah/ds-vqa-yuyu),
  `labels.txt` (VQAssessment/DOVER). Files in the manner of VSFA (`LIVE-VQCinfo.mat`) are not read:
  whether their scores are scaled was not established.
- No published split.
"""

from pipeline.labels import Labels
from pipeline.published import Facts, Form, read_published
from pipeline.settings import DatasetSettings

FACTS = Facts(
    title="LIVE-VQC",
    scale=(0, 100),
    folders=("Video",),
    forms={
        "": (
            Form(
                files=("data.mat", "LIVE_VQC_data.mat"),
                name="videolist",
                mos="mos",
                arrays=("video_list", "mos"),
            ),
            Form(files=("LIVE-VQC_.csv",), name="name", mos="mos"),
            Form(
                files=("labels.txt",),
                name="name",
                mos="mos",
                header=("name", "duration_s", "fps", "mos"),
            ),
            Form(files=("LIVE-VQC_ds.json",), name="imageid", mos="score"),
        ),
    },
    folds=tuple(f"LIVE-VQC_{fold}_ds.json" for fold in range(5)),
)


def read(settings: DatasetSettings, seed: int) -> Labels:
    """Return the labels of the data set."""
    return read_published(FACTS, settings, seed)
