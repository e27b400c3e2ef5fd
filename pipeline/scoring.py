"""A video file to its score: decode, encode and ask the head, in one process.

    from lmm_vqa import Scorer
    scorer = Scorer("results/model")
    print(scorer.score("clip.mp4").score)

Tokens and answers are made by the same code as in the pipeline's stages, on one thread as in a
worker of `lmm-vqa extract`, so a score is that of stage predict to the last digit.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from llm_head import ask, card, checkpoint, likelihood, predictions
from llm_head.calibrate import ScoreMap
from llm_head.cue import cue
from llm_head.data import DataError, choose
from llm_head.pair import Comparison, compare, compare_together
from llm_head.readout import Answer
from llm_head.reason import reason
from llm_head.shown import VideoTokens
from llm_head.timeline import STRIDE_S, WINDOW_S, Second, worst
from llm_head.timeline import timeline as seconds_of
from pipeline import layout
from pipeline.cache import Kind
from pipeline.file_tokens import FileTokens
from pipeline.settings import RunSettings
from pipeline.tables import printable
from pipeline.video import VideoError

log = logging.getLogger(__name__)

PathLike = str | Path


@dataclass(frozen=True)
class Scored:
    """What is known of one video.

    Attributes:
        video: the path as it was given.
        sha256: of the file's content.
        answer: what the model says of the whole video.
        reason: the same in words, with where in time if there is a timeline.
        shown: what the model was shown of it.
        timeline: a score for each second, if it was asked for.
        calibration: of the model, from scores to MOS; None: it has none.
    """

    video: str
    sha256: str
    answer: Answer
    reason: str
    shown: VideoTokens = field(repr=False, compare=False)
    timeline: tuple[Second, ...] = ()
    calibration: ScoreMap | None = None

    @property
    def score(self) -> float:
        """Return the score, 0-100."""
        return self.answer.score

    @property
    def score_std(self) -> float:
        """Return its standard deviation."""
        return self.answer.score_std

    @property
    def level(self) -> str:
        """Return the level in which the score lies."""
        return self.answer.level

    def row(self) -> dict[str, Any]:
        """Return everything as plain values, numbers rounded as in results/predictions/."""
        return {
            "video": printable(self.video),
            "sha256": self.sha256,
            **predictions.columns(self.answer, self.calibration),
            "impairment_prob": predictions.rounded(self.answer.impairment_prob),
            "severity_prob": predictions.rounded(self.answer.severity_prob),
            "motion_prob": predictions.rounded(self.answer.motion_prob),
            "reason": self.reason,
            "timeline": [
                {
                    "start_s": second.start_s,
                    "score": predictions.rounded(second.score),
                    "score_std": predictions.rounded(second.score_std),
                    "level": second.level,
                }
                for second in self.timeline
            ],
        }


@dataclass(frozen=True)
class Failed:
    """A file that has no score, and why."""

    video: str
    error: str


class Scorer:
    """Scores video files with a tuned head; made once, used for any number of files.

    Attributes:
        identity: a short hash of the checkpoint; scores compare only where it is equal.
        warnings: what must be said wherever its scores are shown; also logged, once.
    """

    def __init__(
        self,
        model: PathLike = layout.MODEL,
        *,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        cache: PathLike | None = None,
        window_s: int = WINDOW_S,
        stride_s: int = STRIDE_S,
    ) -> None:
        """Load a checkpoint and its LLM; the encoders are built when the first file needs them.

        Args:
            model: folder of the checkpoint.
            cache: folder of tokens that is used and filled; none: nothing is kept.
            window_s: seconds that a timeline's window holds.
            stride_s: seconds from a window to the next.

        Raises:
            CheckpointError: if the folder holds no checkpoint.
            HeadError: if its LLM cannot be loaded.
        """
        folder = Path(model)
        written = checkpoint.read_config(folder)
        self._head = checkpoint.load(folder, written["fingerprints"], device)
        self._readout = self._head.readout()
        self._tokens = FileTokens(
            folder,
            written["fingerprints"],
            RunSettings(device=device),
            None if cache is None else Path(cache),
        )
        self._window_s, self._stride_s = window_s, stride_s
        self.identity = checkpoint.identity(folder)
        self.warnings = card.warnings(written)
        for warning in self.warnings:
            log.warning("%s: %s", folder, warning)

    def score(self, video: PathLike, timeline: bool = False) -> Scored:
        """Score one file.

        Args:
            timeline: also score each second; the reason then says where the video is worst.

        Raises:
            VideoError: if the file cannot be read as video.
            ScoringError: if the checkpoint's encoders cannot be built.

        >>> scored = Scorer(model).score(clip, timeline=True)
        >>> len(scored.timeline), scored.score == scored.answer.score
        (2, True)
        """
        digest, tokens = self._tokens.of(Path(video))
        arrays: dict[Kind, NDArray[Any]] = {kind: part.tokens for kind, part in tokens.items()}
        shape, calibration = self._head.shape, self._head.calibration
        said = self._cue(Path(video))
        shown = choose(arrays, shape, str(video), said)
        (answer,) = self._readout.answers([shown])
        if not timeline:
            return Scored(str(video), digest, answer, reason(answer), shown, (), calibration)
        start_s = next(iter(tokens.values())).pts_s.tolist()
        windows = (self._window_s, self._stride_s)
        seconds = seconds_of(self._readout, arrays, shape, start_s, *windows, said)
        stretch, there = worst(seconds), None
        if stretch is not None:
            part: dict[Kind, NDArray[Any]] = {
                kind: array[stretch.start : stretch.stop] for kind, array in arrays.items()
            }
            (there,) = self._readout.answers([choose(part, shape, str(video), said)])
        why = reason(answer, seconds, stretch, there)
        return Scored(str(video), digest, answer, why, shown, seconds, calibration)

    def scores(
        self, videos: Iterable[PathLike], timeline: bool = False
    ) -> Iterator[Scored | Failed]:
        """Yield the score of each file in order; one that cannot be read is `Failed`.

        >>> good, bad = Scorer(model).scores([clip, "nothing.mp4"])
        >>> good.level in ("bad", "poor", "fair", "good", "excellent"), bad.error
        (True, 'nothing.mp4: no such file')
        """
        for video in videos:
            try:
                yield self.score(video, timeline)
            except (VideoError, DataError, OSError) as error:
                yield Failed(str(video), str(error))

    def ask(self, video: PathLike, question: str, most_tokens: int = ask.MOST_TOKENS) -> str:
        """Return the model's own words on a question about a video, see `llm_head.ask`.

        Raises:
            AskError: if it is no question.
            VideoError: if the file cannot be read as video.

        >>> isinstance(Scorer(model).ask(clip, "What do you see?"), str)
        True
        """
        return ask.ask(self._head, self._shown(video), question, most_tokens)

    def likelihoods(
        self, video: PathLike, question: str, answers: Sequence[str]
    ) -> tuple[float, ...]:
        """Return the log-probability of each of some answers, see `llm_head.likelihood`.

        Raises:
            VideoError: if the file cannot be read as video.

        >>> yes, no = Scorer(model).likelihoods(clip, "Is it sharp?", ["Yes.", "No."])
        >>> yes < 0 and no < 0
        True
        """
        return likelihood.likelihoods(self._head, self._shown(video), question, answers)

    def _shown(self, video: PathLike) -> VideoTokens:
        """Return what the head is shown of a file."""
        _, tokens = self._tokens.of(Path(video))
        arrays: dict[Kind, NDArray[Any]] = {kind: part.tokens for kind, part in tokens.items()}
        return choose(arrays, self._head.shape, str(video), self._cue(Path(video)))

    def compare(self, a: PathLike, b: PathLike) -> Comparison:
        """Return by how much video a is better than b, see `llm_head.pair`.

        >>> Scorer(model).compare(clip, clip).a_better
        0.5
        """
        return self.compared(self.score(a), self.score(b))

    def compared(self, a: Scored, b: Scored) -> Comparison:
        """Return by how much scored video a is better than b.

        A head that has learned from pairs is shown both; of another, the scores are compared.
        """
        if self._head.compares:
            return compare_together(self._head.model, self._head.chat, a.shown, b.shown)
        return compare(a.answer, b.answer)

    def _cue(self, path: Path) -> str:
        """Return what the head is told of a file beside its tokens, as stage predict tells it."""
        if self._head.shape.cue == "none":
            return ""
        return cue(self._tokens.facts(path))
