"""Pairs of videos to learn comparing from, beside the videos one by one."""

import hashlib
import random

import numpy as np
from torch.utils.data import Dataset

from llm_head import questions
from llm_head.packing import Segment
from llm_head.pair import preference
from llm_head.prompts import Chat
from llm_head.samples import Sample, Samples
from llm_head.shown import joined, pair_root


class WithPairs(Dataset[Sample]):
    """Videos, then pairs of them that are drawn anew each epoch.

    Both videos of a pair are of one data set, so no set's scale is compared with another's; which
    one is shown first is drawn too. The label is how many viewers would prefer the first, see
    `pair.preference`. What is drawn depends on seed, epoch and place only.
    """

    def __init__(self, samples: Samples, share: float, seed: int) -> None:
        """Turn the question's wordings into token ids.

        Args:
            samples: the videos.
            share: pairs per video.
        """
        self.videos = samples.videos
        self._samples, self._seed, self._epoch = samples, seed, 0
        members: dict[str, list[int]] = {}
        for index, video in enumerate(samples.videos):
            if video.mos is not None and not video.order_only:
                members.setdefault(video.dataset, []).append(index)
        self._others = {name: found for name, found in members.items() if len(found) > 1}
        self._pairs = round(share * len(samples)) if self._others else 0
        self._firsts: tuple[int, list[int]] = (-1, [])  # of which epoch, which videos
        self._unknown = np.zeros_like(samples[0].words) if self._pairs else np.zeros(0)
        self._questions = [_question(samples.chat, q) for q in questions.QUESTIONS["compare"]]

    def set_epoch(self, epoch: int) -> None:
        """Draw other pairs and conversations; the trainer calls it."""
        self._epoch = epoch
        self._samples.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._samples) + self._pairs

    def __getitem__(self, place: int) -> Sample:
        if place < len(self._samples):
            return self._samples[place]
        rng = self._rng(place)
        first, second = self._draw(rng)
        videos = [self._samples.videos[index] for index in (first, second)]
        shown = [self._samples.read(index, rng) for index in (first, second)]
        wording = rng.choice(self._questions) if self._samples.parts else self._questions[0]
        return Sample(
            segments=[
                pair_root(self._samples.chat, self._samples.shape, *shown),
                wording,
            ],
            tokens=joined(*shown),
            words=self._unknown,
            mos=np.nan,
            dataset=videos[0].dataset,
            better=preference(*(float(video.mos or 0.0) for video in videos)),
        )

    @property
    def mixed(self) -> bool:
        """Return whether some videos have more seconds to read than others."""
        return len(set(self._samples.seconds)) > 1

    def length(self, place: int) -> int:
        """Return the seconds of a sample in this epoch, of a pair both videos', without tokens."""
        if place < len(self._samples):
            return self._samples.length(place)
        rng = self._rng(place)
        return sum(self._samples.drawn_length(index, rng) for index in self._draw(rng))

    def _rng(self, place: int) -> random.Random:
        name = f"{self._seed}/{self._epoch}/pair {place - len(self._samples)}"
        return random.Random(hashlib.sha256(name.encode()).digest())

    def _draw(self, rng: random.Random) -> tuple[int, int]:
        """Return two videos: one as often as its set's weight says, and another of its set."""
        index = rng.choice(self._first_ones())
        others = [i for i in self._others[self._samples.videos[index].dataset] if i != index]
        other = rng.choice(others)
        return (index, other) if rng.random() < 0.5 else (other, index)

    def _first_ones(self) -> list[int]:
        """Return the videos of this epoch that a pair can begin with, as often as they come."""
        if self._firsts[0] != self._epoch:
            places = range(len(self._samples))
            come = [self._samples.mix.at(place, self._epoch)[0] for place in places]
            rated = {index for found in self._others.values() for index in found}
            # an epoch of a set with little weight may have none
            found = [index for index in come if index in rated] or sorted(rated)
            self._firsts = self._epoch, found
        return self._firsts[1]


def _question(chat: Chat, wording: str) -> Segment:
    """Return a question and its answer, up to the word that says which is better.

    Which of the two words stands there does not count: the label is soft.
    """
    ids = chat.question(wording) + chat.frames["compare"].stem + chat.order_words[:1]
    return Segment(ids, 0, (False,) * (len(ids) - 1) + (True,), len(ids) - 1)
