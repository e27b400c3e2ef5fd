"""What a step of tuning sees: videos with conversations that are drawn anew, in batches."""

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from llm_head import questions
from llm_head.data import KINDS, Caches, Video, has_soft_label, read_tokens, spread
from llm_head.instruct import Record
from llm_head.levels import soft_label
from llm_head.mixing import Mix
from llm_head.packing import Segment, pack
from llm_head.projector import TokenShape
from llm_head.prompts import Branch, Chat
from llm_head.shown import VideoTokens, pad, root

BRANCHES = 2  # conversations of a video per training step: the level question and another
# How often a conversation is drawn beside the level question. Naming one of seven impairments takes
# the most steps to learn; the digits of a score are the noisiest target.
WEIGHTS = {"impairment": 4.0}


@dataclass(frozen=True)
class Sample:
    """One video of a batch: what is read and what is learned."""

    segments: list[Segment]
    tokens: VideoTokens
    words: NDArray[np.float64]  # (W,), see `truth`
    mos: float  # NaN where there is none
    dataset: str = ""
    better: float = np.nan  # of two videos: how many would prefer the first
    practice: bool = False  # disturbed, and asked only for the level that it then shows


class Samples(Dataset[Sample]):
    """Videos for tuning: per step each gives its level conversation and another, drawn anew.

    In training half of the steps show a part of the video, a run of its seconds, so that a second
    by itself (as a timeline asks about) is nothing new to the head, and there is more to learn
    from. What is drawn depends on seed, epoch and video only, so runs repeat exactly.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        caches: Mapping[str, Caches],
        chat: Chat,
        shape: TokenShape,
        level_std: float,
        seed: int,
        parts: bool = False,
        raters: bool = False,
        weights: Mapping[str, float] | None = None,
        closed: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """Turn all conversations into token ids.

        Args:
            caches: by dataset.
            level_std: of `levels.soft_label`.
            raters: where it is known, the deviation between a video's raters takes its place.
            weights: of the data sets, see `mixing.Mix`; without, each video comes once an epoch.
            parts: half of the time show a part of the video; for training.
            closed: see `truth`.
        """
        self.videos, self.chat, self.shape, self._caches = videos, chat, shape, caches
        self._seed, self._epoch = seed, 0
        self.parts = parts
        self.practice = 0.0  # share of the videos with a MOS that practise, see `practice`
        self.mix = Mix([video.dataset for video in videos], weights or {}, seed)
        self._branches = [[_branch(chat, record) for record in video.records] for video in videos]
        stds = [video.mos_std if raters else None for video in videos]
        self._words = [
            truth(video, level_std if std is None else std, closed)
            for video, std in zip(videos, stds, strict=True)
        ]

    def set_epoch(self, epoch: int) -> None:
        """Draw other conversations; the trainer calls it."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self.mix)

    def __getitem__(self, place: int) -> Sample:
        return self.drawn(*self.mix.at(place, self._epoch))

    def drawn(self, index: int, turn: int) -> Sample:
        """Return a video with what is drawn for it.

        Args:
            index: of `videos`.
            turn: which time it comes; another turn, other conversations and another part.
        """
        rng, drawn, practice = self._begun(index, turn)
        mos = self.videos[index].mos
        branches = [
            Segment(branch.ids, 0, branch.learned, branch.soft_at)
            for branch in (drawn[:1] if practice else drawn)
        ]
        tokens, words = self.read(index, rng), self._words[index]
        return Sample(
            segments=[root(self.chat, self.shape, tokens), *branches],
            tokens=tokens,
            words=np.zeros_like(words) if practice else words,
            mos=np.nan if mos is None or practice else mos,
            dataset=self.videos[index].dataset,
            practice=practice,
        )

    def length(self, place: int) -> int:
        """Return the seconds of what is shown at a place of this epoch, without reading tokens."""
        index, turn = self.mix.at(place, self._epoch)
        rng, *_ = self._begun(index, turn)
        return self.drawn_length(index, rng)

    def drawn_length(self, index: int, rng: random.Random) -> int:
        """Return how many seconds `read` would return, and leave `rng` as it would."""
        part = self._draw_part(self.seconds[index], rng)
        return self.seconds[index] if part is None else part[1]

    @cached_property
    def seconds(self) -> list[int]:
        """Return how many seconds of each video the LLM is shown, at most.

        The first time, the head of every video's token file is read; of packed caches nothing is,
        since their tables are in memory.
        """
        if self.shape.time == "mean":
            return [1] * len(self.videos)
        kind = KINDS[0] if self.shape.tokens == "both" else self.shape.tokens
        return [
            min(self._caches[video.dataset][kind].shape(video.video_id)[0], self.shape.seconds)
            for video in self.videos
        ]

    @cached_property
    def sets(self) -> Tensor:
        """Return a number per video, int64 (n,), equal for those of the same data set."""
        return _numbered([video.dataset for video in self.videos])

    @property
    def rated(self) -> list[int]:
        """Return the videos that have a MOS."""
        return [index for index, video in enumerate(self.videos) if video.mos is not None]

    @property
    def known(self) -> list[int]:
        """Return the videos of which a level, an impairment or another closed answer is known."""
        return [index for index, words in enumerate(self._words) if words.any()]

    def shown(self, index: int, turn: int) -> tuple[VideoTokens, Tensor]:
        """Return the tokens of a video, or of a part of it, and its words (W,), without text.

        Args:
            index: of `videos`; no data set has a weight here.
            turn: which time the video is looked at; another turn, another part.
        """
        tokens = self.read(index, self._rng(index, turn))
        return tokens, torch.from_numpy(self._words[index]).float()

    def _rng(self, index: int, turn: int) -> random.Random:
        video = self.videos[index]
        name = f"{self._seed}/{turn}/{video.dataset}/{video.video_id}"
        return random.Random(hashlib.sha256(name.encode()).digest())

    def read(self, index: int, rng: random.Random) -> VideoTokens:
        """Return the tokens of a video or, if parts are shown, of a part that `rng` draws."""
        video = self.videos[index]
        caches = self._caches[video.dataset]
        tokens = read_tokens(caches, video.video_id, self.shape, video.cue)
        part = self._draw_part(len(tokens.seconds), rng)
        return tokens if part is None else tokens.part(*part)

    def _draw_part(self, seconds: int, rng: random.Random) -> tuple[int, int] | None:
        """Return start and length of the run of seconds that is shown; None: all are.

        Every length and every place of it is equally likely.
        """
        if not self.parts or rng.random() >= 0.5:
            return None
        length = rng.randint(1, seconds)
        return rng.randint(0, seconds - length), length

    def _begun(self, index: int, turn: int) -> tuple[random.Random, list[Branch], bool]:
        """Return what is drawn of a video before its tokens are read.

        That is the generator to go on with, its conversations, and whether it practises.
        """
        rng, mos = self._rng(index, turn), self.videos[index].mos
        drawn = self._draw(index, rng)
        return rng, drawn, mos is not None and self.practice > 0 and rng.random() < self.practice

    def _draw(self, index: int, rng: random.Random) -> list[Branch]:
        branches, video = self._branches[index], self.videos[index]
        # drawing by weight without repeats: Efraimidis and Spirakis, 2006
        keys = [rng.random() ** (1 / WEIGHTS.get(record.task, 1.0)) for record in video.records]
        drawn = [branches[i] for i in sorted(range(len(keys)), key=lambda i: -keys[i])]
        levels = [branch for branch in drawn if branch.soft_at is not None][:1]
        others = [branch for branch in drawn if branch.soft_at is None]
        return (levels + others)[:BRANCHES]

    def tokens(self, most: int) -> Iterator[VideoTokens]:
        """Yield the tokens of at most so many videos, spread over all."""
        for index in spread(len(self.videos), most):
            video = self.videos[index]
            yield read_tokens(self._caches[video.dataset], video.video_id, self.shape)


def closed_tasks(records: Iterable[Record]) -> dict[str, tuple[str, ...]]:
    """Return the answers of each task, not of our own, whose records name all that it has.

    A task whose records name different answers, as a choice among texts of each question's own, has
    none in common and is left out.
    """
    found: dict[str, set[tuple[str, ...]]] = {}
    for record in records:
        if record.choices and record.task not in questions.TASKS:
            found.setdefault(record.task, set()).add(record.choices)
    return {task: next(iter(told)) for task, told in sorted(found.items()) if len(told) == 1}


def truth(
    video: Video, level_std: float, closed: Mapping[str, tuple[str, ...]] | None = None
) -> NDArray[np.float64]:
    """Return how much each word of `questions.WORDS`, and each closed answer, is true of a video.

    Args:
        closed: of `closed_tasks`; none: there are no such tasks.

    Returns:
        float64 (W,): per task a distribution over its words, for the level the soft label of the
        MOS; all zero where the truth is not known, or not learned.
    """
    found = []
    for task, words in questions.WORDS.items():
        row = _told(video, task, questions.answers(task))
        if task == "level":
            mos = None if video.order_only else video.mos
            row = np.zeros(len(words)) if mos is None else soft_label(mos, level_std)
        found.append(row)
    found += [_told(video, name, answers) for name, answers in (closed or {}).items()]
    return np.concatenate(found)


def _told(video: Video, task: str, answers: Sequence[str]) -> NDArray[np.float64]:
    """Return how much each answer is true of a video, by all its records of a task."""
    told = {record.conversations[-1].value for record in video.records if record.task == task}
    row = np.array([float(answer in told) for answer in answers])
    shares: NDArray[np.float64] = row / max(1.0, row.sum())
    return shares


def _branch(chat: Chat, record: Record) -> Branch:
    branch = chat.branch(record.conversations, record.task)
    return branch if has_soft_label(record) else replace(branch, soft_at=None)


def collate(samples: Sequence[Sample]) -> dict[str, Tensor]:
    """Return a batch for `model.LmmVqa.forward`."""
    packed = pack([sample.segments for sample in samples])
    fields = ("ids", "visual", "positions", "allowed", "source", "labels", "weights", "soft_at")
    return {
        **{name: getattr(packed, name) for name in fields},
        **pad([sample.tokens for sample in samples]),
        "words": torch.from_numpy(np.stack([sample.words for sample in samples])).float(),
        "mos": torch.tensor([sample.mos for sample in samples], dtype=torch.float32),
        "better": torch.tensor([sample.better for sample in samples], dtype=torch.float32),
        "practice": torch.tensor([sample.practice for sample in samples]),
        "sets": _numbered([sample.dataset for sample in samples]),
    }


def _numbered(names: Sequence[str]) -> Tensor:
    """Return a number per name, int64 (n,), equal for equal names."""
    return torch.from_numpy(np.unique(names, return_inverse=True)[1])
