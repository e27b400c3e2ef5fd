"""Scores led to the MOS of the validation videos, by a map that keeps their order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from llm_head.data import Caches, Video, read_tokens
from llm_head.readout import ReadOut

MIN_VIDEOS = 20  # fewer say more about themselves than about a map


@dataclass(frozen=True)
class ScoreMap:
    """A rising line from scores to MOS, in straight pieces.

    Attributes:
        score, mos: 0-100, both strictly rising, from 0 to 100: the ends of the scale stay.
    """

    score: tuple[float, ...]
    mos: tuple[float, ...]

    def __call__(self, score: float) -> float:
        """Return the MOS, 0-100, of a score.

        >>> ScoreMap((0.0, 50.0, 100.0), (0.0, 40.0, 100.0))(75.0)
        70.0
        """
        return float(np.interp(score, self.score, self.mos))


def fit_map(score: ArrayLike, mos: ArrayLike) -> ScoreMap | None:
    """Return the map whose squared error is least among those that never fall; None if too few.

    Videos that it would give one and the same MOS are taken together, and the line is drawn through
    the mean of each such block, so equal results come from equal scores only.

    Args:
        score: ``(n,)``, 0-100.
        mos: ``(n,)``, 0-100.

    Source: isotonic regression as calibration, Zadrozny and Elkan, KDD 2002. Differs: straight
    lines between blocks in the place of steps.
    """
    from sklearn.isotonic import isotonic_regression  # seconds to load, and a map has no use of it

    x, y = np.asarray(score, float), np.asarray(mos, float)
    if len(x) < MIN_VIDEOS or np.ptp(x) == 0:
        return None
    points, inverse = np.unique(x, return_inverse=True)
    counts = np.bincount(inverse)
    level = isotonic_regression(np.bincount(inverse, y) / counts, sample_weight=counts)
    blocks = np.unique(level, return_inverse=True)[1]
    size = np.bincount(blocks, counts)
    at = np.bincount(blocks, points * counts) / size
    to = np.bincount(blocks, level * counts) / size
    inside = (at > 0) & (at < 100) & (to > 0) & (to < 100)
    return ScoreMap((0.0, *at[inside].tolist(), 100.0), (0.0, *to[inside].tolist(), 100.0))


def calibrate(
    readout: ReadOut, videos: Sequence[Video], caches: Mapping[str, Caches]
) -> ScoreMap | None:
    """Return the map from a head's scores to the MOS of validation videos.

    None if there are too few, or if they are of several data sets: raters of two sets use the scale
    in two ways, and the map of both would carry the one's into the other.

    Args:
        videos: of split val; those without a MOS, or with one for ranking only, are left out.
        caches: by dataset, then kind.
    """
    usable = [video for video in videos if not video.order_only]
    rated = [(video, video.mos) for video in usable if video.mos is not None]
    if len(rated) < MIN_VIDEOS or len({video.dataset for video, _ in rated}) > 1:
        return None
    score = []
    for video, _ in rated:
        of_set = caches[video.dataset]
        tokens = read_tokens(of_set, video.video_id, readout.shape, video.cue)
        score.append(readout.levels([tokens])[0][0])
    return fit_map(score, [mos for _, mos in rated])
