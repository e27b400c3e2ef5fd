"""LIVE-YT-Gaming: 600 user-generated videos of 59 games.

Yu et al.: Subjective and Objective Analysis of Streamed Gaming Videos, IEEE Transactions on Games
2023.

- Videos: `mp4/GAME-NUMBER.mp4`.
- Labels: `LIVEYTGaming.mat` with `video_list` (names without suffix) and `MOS`, as
  sunwei925/MinimalisticVQA reads it; `LIVE_Gaming.csv` (name, mos) and question-answer lists with
  five folds (Zhanghahah/ds-vqa-yuyu). MOS on 0-100. How the authors' own archive calls its files
  was not established: if it differs, name the file in `labels` of adapter `csv`.
- Each video is a recording of its own, so `content` is empty. Videos of one game do look alike;
  for folds that keep games apart, write the game into column `content` of a table for adapter
  `csv`.
- No published split.
"""

from pipeline.labels import Labels
from pipeline.published import Facts, Form, read_published
from pipeline.settings import DatasetSettings

FACTS = Facts(
    title="LIVE-YT-Gaming",
    scale=(0, 100),
    folders=("mp4",),
    forms={
        "": (
            Form(
                files=("LIVEYTGaming.mat",),
                name="videolist",
                mos="mos",
                arrays=("video_list", "MOS", "mos"),
            ),
            Form(files=("LIVE_Gaming.csv",), name="name", mos="mos"),
            Form(files=("LIVE-YT-Gaming_ds.json",), name="imageid", mos="score"),
        ),
    },
    folds=tuple(f"LIVE-YT-Gaming_{fold}_ds.json" for fold in range(5)),
)


def read(settings: DatasetSettings, seed: int) -> Labels:
    """Return the labels of the data set."""
    return read_published(FACTS, settings, seed)
