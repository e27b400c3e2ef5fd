"""KVQ: 600 short videos and 3,600 processed ones; the part whose scores a challenge published.

Lu et al.: KVQ, CVPR 2024; github.com/lixinustc/KVQ-Challenge-CVPR-NTIRE2024.

- Videos: `train/0001.mp4` and so on.
- Labels: `train_data.csv` of the challenge, two columns, the file and its score, on 1-5. The words
  of its header were not established; the usual ones are accepted. The lists of validation and test
  were not seen: write them as a table for adapter `csv`.
- The content: the numbers run in blocks of seven, one source and its six processed forms. This is
  inferred from the lists in circulation, not documented; it only ever keeps more together.
"""

from pipeline.labels import Labels
from pipeline.published import Facts, Form, read_published
from pipeline.settings import DatasetSettings


def content(video_id: str) -> str:
    """Return the block of seven that a number belongs to."""
    return f"source-{(int(video_id) - 1) // 7:03}" if video_id.isdecimal() else ""


FACTS = Facts(
    title="KVQ",
    scale=(1, 5),
    content=content,
    forms={
        "": (
            Form(
                files=("train_data.csv",),
                name="filename filenames videoname name video",
                mos="score mos",
            ),
        ),
    },
)


def read(settings: DatasetSettings, seed: int) -> Labels:
    """Return the labels of the part that has scores."""
    return read_published(FACTS, settings, seed)
