"""LMM-VQA from Python: quality scores of video files. The command line is `lmm-vqa`.

>>> from lmm_vqa import Scorer
>>> scorer = Scorer(model)  # a folder such as "results/model"
>>> 0 <= scorer.score(clip).score <= 100
True
"""

from llm_head.checkpoint import CheckpointError
from llm_head.pair import Comparison
from llm_head.readout import Answer
from llm_head.timeline import Second
from pipeline.file_tokens import ScoringError
from pipeline.scoring import Failed, Scored, Scorer
from pipeline.video import VideoError

__all__ = [
    "Answer",
    "CheckpointError",
    "Comparison",
    "Failed",
    "Scored",
    "Scorer",
    "ScoringError",
    "Second",
    "VideoError",
]
