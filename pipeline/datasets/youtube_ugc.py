"""YouTube-UGC: 20-second originals, rated whole and in three chunks of 10 seconds.

Wang, Inguva, Adsumilli: MMSP 2019; ratings: Wang et al., ICIP 2020. media.withyoutube.com says
that the scores are for entire videos and for chunks of 10 seconds from 0, 5 and 10 seconds on.

- Videos: `original_videos_h264/ID_crf_10_ss_00_t_20.0.mp4` (the ones that papers use), or
  `original_videos/CATEGORY/HEIGHT/ID.mkv`; the id is such as `Animation_1080P-05f8`. Videos have
  been withdrawn over time, so most copies lack some: `allow_missing: true`.
- Authors' labels: `MOS_for_YouTube_UGC_dataset.xlsx` (as a download also
  `original_videos_MOS_for_YouTube_UGC_dataset.xlsx`), sheet `MOS`, columns `vid` and `MOS full`.
  MOS on 1-5. How that sheet spells its columns of chunks, deviations and numbers of subjects was
  not established; they are looked for under the names of the next item, whatever blanks they have.
- In circulation: `YOUTUBE_UGC_metadata.csv` (vztu/VIDEVAL: vid, x_Subjects, MOSFull,
  MOSChunk00/05/10, stdFull, stdChunk00/05/10), `youtube_ugc_data.mat` (sunwei925/SimpleVQA:
  video_names, scores), `youtube_ugc_whole.csv` (name, mos) and question-answer lists with MOS
  times 20 and five folds (Zhanghahah/ds-vqa-yuyu), `labels.txt` (VQAssessment/DOVER). They hold
  1,020 to 1,380 videos.
"""

import re
from dataclasses import replace

from pipeline.labels import Labels
from pipeline.published import Chunk, Facts, Form, read_published, stem
from pipeline.settings import DatasetSettings

_ID = re.compile(r"\w+_\d+P-[0-9a-f]{4}")


def video_id(name: str) -> str:
    """Return category, height and number, such as `Animation_1080P-05f8`."""
    found = _ID.match(stem(name))
    return found[0] if found else stem(name)


WORKBOOK = Form(
    files=("MOS_for_YouTube_UGC_dataset.xlsx", "original_videos_MOS_for_YouTube_UGC_dataset.xlsx"),
    sheet="MOS",
    name="vid",
    mos="mosfull",
    std="stdfull",
    ratings="xsubjects subjects",
)

FACTS = Facts(
    title="YouTube-UGC",
    scale=(1, 5),
    folders=("original_videos_h264", "original_videos"),
    video_id=video_id,
    forms={
        "": (
            WORKBOOK,
            replace(
                WORKBOOK,
                sheet="",
                files=(
                    "original_videos_MOS_for_YouTube_UGC_dataset.csv",
                    "YOUTUBE_UGC_metadata.csv",
                ),
            ),
            Form(files=("youtube_ugc_whole.csv",), name="name", mos="mos"),
            Form(
                files=("youtube_ugc_data.mat",),
                name="videonames",
                mos="scores",
                arrays=("video_names", "scores"),
            ),
            Form(
                files=("labels.txt",),
                name="name",
                mos="mos",
                header=("name", "duration_s", "fps", "mos"),
            ),
            Form(files=("youtube_ugc_ds.json",), name="imageid", mos="score", times=20),
        ),
    },
    folds=tuple(f"youtube_ugc_{fold}_ds.json" for fold in range(5)),
    chunks=tuple(
        Chunk(start, start + 10, f"moschunk{start:02}", f"stdchunk{start:02}")
        for start in (0, 5, 10)
    ),
)


def read(settings: DatasetSettings, seed: int) -> Labels:
    """Return the labels of the videos and, where the table has them, of their chunks."""
    return read_published(FACTS, settings, seed)
