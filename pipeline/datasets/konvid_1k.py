"""KoNViD-1k, the Konstanz natural video database: 1,200 videos.

Hosu et al., QoMEX 2017; database.mmsp-kn.de/konvid-1k-database.html.

- Videos: `KoNViD_1k_videos/ID.mp4`, in an earlier release `ID_original_centercrop_960x540_8s.mp4`;
  the id is Flickr's number.
- Authors' labels: `KoNViD_1k_mos.csv` (flickr_id, mos) and `KoNViD_1k_attributes.csv` (flickr_id,
  file_name, MOS and others). MOS on 1-5. Whether a release names a column of deviations was not
  established; one called `mos_std` or `std` is read.
- In circulation: `KONVID_1K_metadata.csv` (vztu/VIDEVAL), `KoNViD_mos_fr.csv` (file_name, mos; of
  CNN-TLVQM), `KoNViD-1kinfo.mat` (version 7.3, of VSFA) and `KoNViD-1k_data.mat` (version 5,
  sunwei925/SimpleVQA) with video_names and scores, `labels.txt` (name, length, frame rate, MOS;
  VQAssessment/DOVER), and the question-answer lists of Zhanghahah/ds-vqa-yuyu, whose scores are
  MOS times 20 (so 20-100, not 0-100) and which hold a score and a class per video; its five files
  of 240 videos are the folds.
- No published split.
"""

from pipeline.labels import Labels
from pipeline.published import Facts, Form, read_published, stem
from pipeline.settings import DatasetSettings


def video_id(name: str) -> str:
    """Return Flickr's number, which a file's name begins with."""
    return stem(name).split("_")[0]


ARRAYS = ("video_names", "scores")

FACTS = Facts(
    title="KoNViD-1k",
    scale=(1, 5),
    folders=("KoNViD_1k_videos",),
    video_id=video_id,
    forms={
        "": (
            Form(files=("KoNViD_1k_mos.csv",), name="flickrid", mos="mos", std="mosstd std"),
            Form(
                files=("KoNViD_1k_attributes.csv", "KONVID_1K_metadata.csv"),
                name="flickrid",
                mos="mos",
                std="mosstd std",
            ),
            Form(files=("KoNViD_mos_fr.csv",), name="filename", mos="mos"),
            Form(
                files=("KoNViD-1kinfo.mat", "KoNViD-1k_data.mat"),
                name="videonames",
                mos="scores",
                arrays=ARRAYS,
            ),
            Form(
                files=("labels.txt",),
                name="name",
                mos="mos",
                header=("name", "duration_s", "fps", "mos"),
            ),
            Form(files=("Konvid-1k_ds.json",), name="imageid", mos="score", times=20),
        ),
    },
    folds=tuple(f"Konvid-1k_{fold}_ds.json" for fold in range(5)),
)


def read(settings: DatasetSettings, seed: int) -> Labels:
    """Return the labels of the data set."""
    return read_published(FACTS, settings, seed)
