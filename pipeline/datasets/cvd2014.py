"""CVD2014: 234 videos of 5 scenes, filmed with 78 cameras in 6 tests.

Nuutinen et al.: CVD2014, a database for evaluating no-reference video quality assessment
algorithms, TIP 2016.

- Videos: `TestN/SCENE/TestNN_SCENE_DNN.avi`.
- Authors' labels: `Realignment_MOS.csv`, fields between semicolons, decimal commas, columns
  `File_name` and `Realignment MOS`, with empty lines. The realigned scores leave the scale of the
  rating: the published ones lie on -6.50 to 93.38, which is the scale here.
- In circulation: `CVD2014_data.mat` with video_name and video_score (sunwei925/MinimalisticVQA),
  `CVD_2014_metadata.csv` (xinyiW915/CAMP-VQA), `labels.txt` (VQAssessment/DOVER).
- The content is the scene. Whether the tests filmed a scene anew was not established, so all
  videos of one scene stay together.
"""

import re

from pipeline.labels import Labels
from pipeline.published import Facts, Form, read_published
from pipeline.settings import DatasetSettings


def content(video_id: str) -> str:
    """Return the scene."""
    found = re.fullmatch(r"Test\d+_(.+)_D\d+", video_id)
    return found[1].casefold() if found else video_id


FACTS = Facts(
    title="CVD2014",
    scale=(-6.5, 93.38),
    content=content,
    forms={
        "": (
            Form(files=("Realignment_MOS.csv",), name="filename", mos="realignmentmos", sep=";"),
            Form(
                files=("CVD2014_data.mat",),
                name="videoname",
                mos="videoscore",
                arrays=("video_name", "video_score"),
            ),
            Form(files=("CVD_2014_metadata.csv",), name="vid", mos="mos"),
            Form(
                files=("labels.txt",),
                name="name",
                mos="mos",
                header=("name", "duration_s", "fps", "mos"),
            ),
        ),
    },
)


def read(settings: DatasetSettings, seed: int) -> Labels:
    """Return the labels of the data set."""
    return read_published(FACTS, settings, seed)
