"""T2VQA-DB: 10,000 videos that nine text-to-video models made of 1,000 prompts.

Kou et al.: Subjective-Aligned Dataset and Metric for Text-to-Video Quality Assessment, arXiv
2403.11956; github.com/QMME/T2VQA.

- Videos: files as the labels name them, in any folder.
- Authors' labels: `info.txt`, a line `NAME|PROMPT|MOS` per video, on 0-100.
- The content is the prompt.
"""

from pipeline.labels import Labels
from pipeline.published import Facts, Form, read_published
from pipeline.settings import DatasetSettings

FACTS = Facts(
    title="T2VQA-DB",
    scale=(0, 100),
    forms={
        "": (
            Form(
                files=("info.txt",),
                name="name",
                mos="mos",
                content="prompt",
                sep="|",
                header=("name", "prompt", "mos"),
            ),
        ),
    },
)


def read(settings: DatasetSettings, seed: int) -> Labels:
    """Return the labels of the data set."""
    return read_published(FACTS, settings, seed)
