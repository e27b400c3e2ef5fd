"""LSVQ, the LIVE large-scale social video quality data set: its sets for training and testing.

Ying, Mandal, Ghadiyaram, Bovik: Patch-VQ, CVPR 2021, arXiv 2011.13544. The third set, 1080p, is
the adapter `lsvq_1080p` on the same folder.

- Videos: `yfcc-batchN/NAME.mp4` and `ia-batchN/NAME.mp4`; the labels name them without suffix.
- Authors' labels (github.com/baidut/PatchVQ, release v0.1): `labels_train_test.csv`, whose column
  `is_test` tells the sets apart. MOS on 0-100; no deviations and no numbers of ratings.
- In circulation: the same columns per set (`LSVQ_whole_*.csv`, sunwei925/SimpleVQA), lists of
  name, length, frame rate and MOS (`train_labels.txt`, `labels_test.txt`, VQAssessment/DOVER), and
  question-answer lists rounded to 3 decimals (`LSVQ_whole_*_ds_score.json`,
  Zhanghahah/ds-vqa-yuyu). They differ in size by a few videos; so do published results.
- Some names in the labels end in `.mp4` themselves; a video suffix never counts here.
- `is_valid` is not used: what it means was not established, and the lists in circulation hold
  videos with either value.
"""

from pathlib import PurePosixPath

from pipeline.labels import Labels
from pipeline.published import Facts, Form, read_published, stem
from pipeline.settings import DatasetSettings

TEXT = ("name", "duration_s", "fps", "mos")


def video_id(name: str) -> str:
    """Return batch and name, such as `yfcc-batch1/747`."""
    parts = PurePosixPath(name).parts
    return "/".join([*parts[-2:-1], stem(name)])


FACTS = Facts(
    title="LSVQ",
    scale=(0, 100),
    video_id=video_id,
    forms={
        "train": (
            Form(
                files=("labels_train_test.csv",), name="name", mos="mos", only=("istest", "False")
            ),
            Form(files=("LSVQ_whole_train.csv",), name="name", mos="mos"),
            Form(files=("train_labels.txt",), name="name", mos="mos", header=TEXT),
            Form(files=("LSVQ_whole_train_ds_score.json",), name="imageid", mos="score"),
        ),
        "test": (
            Form(files=("labels_train_test.csv",), name="name", mos="mos", only=("istest", "True")),
            Form(files=("LSVQ_whole_test.csv",), name="name", mos="mos"),
            Form(files=("labels_test.txt",), name="name", mos="mos", header=TEXT),
            Form(files=("LSVQ_whole_test_ds_score.json",), name="imageid", mos="score"),
        ),
    },
)


def read(settings: DatasetSettings, seed: int) -> Labels:
    """Return the labels of those of the two sets whose list is there."""
    return read_published(FACTS, settings, seed)
