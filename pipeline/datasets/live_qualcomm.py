"""LIVE-Qualcomm: 208 videos of 54 scenes, filmed with 8 phones, by kind of distortion.

Ghadiyaram et al.: In-Capture Mobile Video Distortions, TCSVT 2018.

- Videos: `KIND/MMDD_SCENE_PHONE_....yuv`, raw. Encode them without loss into a container (DOVER's
  lists assume .mp4) and keep their names; raw .yuv is not read.
- Authors' labels: `qualcommSubjectiveData.mat` with the structs qualcommVideoData (vidNames) and
  qualcommSubjectiveData (unBiasedMOS). Ratings on 0-100; the scores lie on 16.56 to 73.64.
- In circulation: the same file as `LIVE-Qualcomm_qualcommSubjectiveData.mat`, `labels.txt`
  (VQAssessment/DOVER).
- The content is day and scene, as the name begins.
"""

import re

from pipeline.labels import Labels
from pipeline.published import Facts, Form, read_published
from pipeline.settings import DatasetSettings


def content(video_id: str) -> str:
    """Return day and scene, such as `1024_tabletennisatbalboa`."""
    found = re.match(r"\d{4}_?[A-Za-z0-9]+", video_id)
    return found[0].casefold() if found else video_id


FACTS = Facts(
    title="LIVE-Qualcomm",
    scale=(0, 100),
    content=content,
    forms={
        "": (
            Form(
                files=(
                    "qualcommSubjectiveData.mat",
                    "LIVE-Qualcomm_qualcommSubjectiveData.mat",
                ),
                name="qualcommvideodatavidnames",
                mos="qualcommsubjectivedataunbiasedmos",
                arrays=("qualcommVideoData.vidNames", "qualcommSubjectiveData.unBiasedMOS"),
            ),
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
