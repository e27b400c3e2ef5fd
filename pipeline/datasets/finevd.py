"""FineVD: 6,104 user-generated videos, rated in several dimensions.

Duan et al.: FineVQ, CVPR 2025, arXiv 2412.19238; huggingface.co/datasets/IntMeGroup/FineVD.

- Videos: `videos_all/videos_all_videos/ID.mp4`, as xinyiW915/CAMP-VQA reads them.
- Labels: the tables of CAMP-VQA, `FINEVD_metadata.csv` and one per dimension, which differ in name
  only (`FINEVD_MOS_blur_metadata.csv`): vid, mos, on 0-100. The overall one is read; for a
  dimension name its file in `labels`. The form of the authors' own tables was not established.
"""

from dataclasses import replace

from pipeline.labels import Labels
from pipeline.published import Facts, Form, read_published
from pipeline.settings import DatasetSettings

FACTS = Facts(
    title="FineVD",
    scale=(0, 100),
    folders=("videos_all",),
    forms={"": (Form(files=("FINEVD_metadata.csv",), name="vid", mos="mos"),)},
)
DIMENSIONS = tuple(
    Form(files=(f"FINEVD_MOS_{name}_metadata.csv",), name="vid", mos="mos")
    for name in ("artifact", "blur", "color", "noise", "temporal")
)


def read(settings: DatasetSettings, seed: int) -> Labels:
    """Return the labels of the overall quality, or of the dimension whose file is named."""
    # a dimension is read only where it is asked for: it must not pass for the overall quality
    forms = FACTS.forms[""] if settings.labels is None else (*FACTS.forms[""], *DIMENSIONS)
    return read_published(replace(FACTS, forms={"": forms}), settings, seed)
