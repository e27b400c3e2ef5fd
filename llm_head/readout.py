"""From a tuned head to answers about a video; the same video always gets the same answers."""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from llm_head import questions
from llm_head.digits import DigitTree
from llm_head.levels import expectation, level_of, mos_of
from llm_head.model import LmmVqa
from llm_head.packing import Packed, Segment, pack
from llm_head.projector import TokenShape
from llm_head.prompts import Chat, PromptError
from llm_head.shown import VideoTokens, pad, root

_NUMBER = re.compile(r"(\d|[1-9]\d)\.\d|100\.0")  # what a score looks like when it is complete
_BEGUN = re.compile(r"(\d|[1-9]\d|100)?|(\d|[1-9]\d)\.|100\.")  # and before
_SPACE = "▁Ġ"  # tokenizers' marks of a leading space
_LEVEL, _SCORE = 1, 2  # segments of these questions in the tree; 0 is the video
EVERYTHING: Mapping[str, Sequence[str]] = {
    "score": (),
    **{task: tuple(words) for task, words in questions.CLOSED.items()},
}


@dataclass(frozen=True)
class Answer:
    """What the head says about one video.

    Attributes:
        score: 0-100, expectation over the five level words, led back to the scale of MOS.
        score_std: standard deviation of the five level probabilities, on 0-100.
        level: the level in which the score lies.
        level_probs: (5,), from bad to excellent.
        score_generated: 0-100, the number that the LLM writes, as in the paper.
        score_digits: 0-100, expectation over all numbers that it could write.
        score_digits_std: their standard deviation. All three None: it was taught no numbers.
        impairment: key of questions.IMPAIRMENTS; the most probable of the answers that the head was
            taught. None: it was taught less than two.
        impairment_prob: its probability among these answers.
        severity, severity_prob: likewise, of questions.SEVERITIES. None also if the impairment is
            none: no training video without one says how severe it is.
        motion, motion_prob: likewise, of questions.MOTIONS.
    """

    score: float
    score_std: float
    level: str
    level_probs: tuple[float, ...]
    score_generated: float | None
    score_digits: float | None
    score_digits_std: float | None
    impairment: str | None
    impairment_prob: float | None
    severity: str | None
    severity_prob: float | None
    motion: str | None
    motion_prob: float | None


class ReadOut:
    """Asks the canonical questions that the head was taught, in one pass that shares the video.

    Each video has a pass of its own, on one thread if it is the CPU's: matrix products round
    otherwise in another batch, behind padding or on more threads, which shows in a score's fourth
    decimal. So a video's answers never depend on what else is asked, or on the machine's load.

    Source: expectation over level words, Q-Align, arXiv:2312.17090; generated number, LMM-VQA,
    arXiv:2408.14008, here decoded greedily under a rule that admits only numbers of 0.0 to 100.0,
    where the authors sample freely and put 60 for what does not parse.
    """

    def __init__(
        self,
        model: LmmVqa,
        chat: Chat,
        level_std: float,
        taught: Mapping[str, Sequence[str]] = EVERYTHING,
    ) -> None:
        """Prepare the questions.

        Args:
            level_std: of the soft labels that the model has learned.
            taught: from `instruct.taught`. Whatever it lacks is not asked about: a language model
                names an impairment as surely when it was never taught any. The level is always.

        Raises:
            PromptError: if the tokenizer has no single tokens for the digits and the point.
        """
        self._model, self._chat, self._level_std = model.eval(), chat, level_std
        self._head: Any = None
        self._segments: list[Segment] = []  # after the video, which is number 0 of the tree
        self._add(chat, "level")
        self._digits = DigitTree(chat) if "score" in taught else None
        if self._digits:
            self._add(chat, "score")
        self._places = {task: self._closed(chat, task, taught) for task in questions.CLOSED}
        if self._digits:
            at = len(self._segments)
            self._numbers = range(at + 1, at + len(self._digits.nodes))
            self._segments += self._digits.segments(_SCORE)
        self._pieces = chat.number_pieces()
        if not set("0123456789.") <= set(self._pieces.values()):
            raise PromptError("the tokenizer has no single tokens for the digits and the point")

    def _add(self, chat: Chat, task: questions.Task) -> int:
        """Add a question; return its place in the tree."""
        stem = chat.frames[task].stem
        self._segments.append(Segment(chat.question(questions.canonical(task)) + stem, 0))
        return len(self._segments)

    def _closed(
        self, chat: Chat, task: questions.Task, taught: Mapping[str, Sequence[str]]
    ) -> dict[str, int]:
        """Add a question with the answers that were taught; return the place of each by its key."""
        names = taught.get(task, ())
        if len(names) < 2:
            return {}
        question, places = self._add(chat, task), {}
        middles = dict(zip(questions.CLOSED[task], chat.frames[task].middles, strict=True))
        for name in names:
            self._segments.append(Segment(middles[name], question, (True,) * len(middles[name])))
            places[name] = len(self._segments)
        return places

    @property
    def shape(self) -> TokenShape:
        """Return which tokens are read."""
        return self._model.projector.shape

    def answers(self, videos: Sequence[VideoTokens]) -> list[Answer]:
        """Return the answers for some videos, given their tokens (from `data.choose`)."""
        with repeatable(self._model):
            return [self._answers(video) for video in videos]

    def levels(self, videos: Sequence[VideoTokens]) -> list[tuple[float, float]]:
        """Return score and standard deviation, from the level question alone, in one pass.

        For the windows of one video (`timeline`): a pass of this one question costs a part of all
        of them, and a batch of windows less still. In the last digits it differs from `answers`.

        Args:
            videos: tokens of windows; fastest if all have the same number of seconds.
        """
        with repeatable(self._model):
            packed, hidden, _ = self._pass(videos, self._segments[:1])
            ends = torch.tensor([starts[1] for starts in packed.starts])
            ends = ends + len(self._segments[0].ids) - 1
            words = self._model.logits(hidden[torch.arange(len(videos)), ends])
            probabilities = words[:, self._model.level_words].double().softmax(-1).tolist()
        found = [expectation(each) for each in probabilities]
        return [(mos_of(mean, self._level_std), std) for mean, std in found]

    def _answers(self, video: VideoTokens) -> Answer:
        packed, hidden, cache = self._pass([video], self._segments)
        rows = torch.arange(1)
        ends = self._ends(packed)
        words = self._model.logits(hidden[rows, ends[:, _LEVEL]])[:, self._model.level_words]
        (level,) = words.double().softmax(-1).tolist()
        (sums,) = totals(self._model, packed, hidden)
        mean, std = expectation(level)
        score = mos_of(mean, self._level_std)
        number = digits = digits_std = None
        if self._digits:
            nodes = ends[:, [_SCORE, *self._numbers]]
            logits = self._model.logits(hidden[rows[:, None], nodes])
            digits, digits_std = (float(found[0]) for found in self._digits.expectation(logits))
            known = dict(zip(self._digits.nodes, logits[0], strict=True))
            number = self._generate(known, packed, int(ends[0, _SCORE]), cache)
        named = {task: _best(sums, places) for task, places in self._places.items()}
        if named["impairment"][0] == "none":
            named["severity"] = None, None
        return Answer(
            score=score,
            score_std=std,
            level=level_of(score),
            level_probs=tuple(level),
            score_generated=number,
            score_digits=digits,
            score_digits_std=digits_std,
            impairment=named["impairment"][0],
            impairment_prob=named["impairment"][1],
            severity=named["severity"][0],
            severity_prob=named["severity"][1],
            motion=named["motion"][0],
            motion_prob=named["motion"][1],
        )

    def _pass(
        self, videos: Sequence[VideoTokens], segments: Sequence[Segment]
    ) -> tuple[Packed, Tensor, Any]:
        """Run the LLM once; return the layout, its last hidden states and its cache."""
        shape = self._model.projector.shape
        packed = pack([[root(self._chat, shape, video), *segments] for video in videos])
        if self._head is None:  # the text before the video: read once, used for every video
            self._head = self._model.head_cache(1)
        cache = copy.deepcopy(self._head)
        cache.batch_repeat_interleave(len(videos))
        return packed, *run(self._model, packed, videos, cache)

    def _ends(self, packed: Packed) -> Tensor:
        """Return the place of each segment's last token, int64 (B, segments)."""
        sizes = torch.tensor([len(segment.ids) for segment in self._segments])
        starts = torch.tensor(packed.starts)
        ends = starts.clone()
        ends[:, 0] = starts[:, 1] - 1
        ends[:, 1:] += sizes - 1
        return ends

    def _generate(
        self, known: Mapping[tuple[int, ...], Tensor], packed: Packed, end: int, cache: Any
    ) -> float:
        """Return the number written after the score stem, the likeliest allowed token each time.

        The LLM reads on only where what follows is not known: the packed pass has read how numbers
        begin, and behind two digits most tokenizers leave nothing but a point.

        Args:
            known: logits (vocabulary,) of what follows some beginnings, by their ids.
            end: the place of the stem's end.
            cache: of the packed pass; grows.
        """
        text, read = "", 0
        ids: tuple[int, ...] = ()
        while not _NUMBER.fullmatch(text):
            allowed = self._allowed(text)
            if len(allowed) == 1:
                (best,) = allowed
            else:
                logits = known.get(ids)
                if logits is None:
                    logits, read = self._read_on(ids, read, packed, end, cache), len(ids)
                likely = logits.cpu()
                best = max(allowed, key=lambda index: float(likely[index]))
            text, ids = text + allowed[best], (*ids, best)
        return float(text)

    def _read_on(
        self, ids: tuple[int, ...], read: int, packed: Packed, end: int, cache: Any
    ) -> Tensor:
        """Return the logits (vocabulary,) of what follows ids, of which the cache has so many."""
        device, head = self._model.head.device, self._model.head.shape[1]
        seen = torch.ones(head + packed.ids.shape[1] + read, dtype=torch.bool)
        seen[head : head + packed.ids.shape[1]] = packed.allowed[0, end]
        new = len(ids) - read
        rows = torch.cat([seen.expand(new, -1), seen.new_ones(new, new).tril()], dim=1)
        places = packed.positions[0, end] + 1 + torch.arange(read, len(ids))
        embeds = self._model.embed(torch.tensor([ids[read:]], device=device))
        hidden = self._model.decode(embeds, places[None].to(device), rows[None].to(device), cache)
        return self._model.logits(hidden[0, -1])

    def _allowed(self, text: str) -> dict[int, str]:
        """Return the tokens that may follow the beginning of a number, by id."""
        return {
            index: piece
            for index, raw in self._pieces.items()
            if (piece := raw if text else raw.lstrip(_SPACE))
            and (_NUMBER.fullmatch(text + piece) or _BEGUN.fullmatch(text + piece))
        }


def run(
    model: LmmVqa, packed: Packed, videos: Sequence[VideoTokens], cache: Any = None
) -> tuple[Tensor, Any]:
    """Run the LLM once on a layout and its videos; return as `LmmVqa.hidden`."""
    device = model.head.device
    layout = (packed.ids, packed.visual, packed.positions, packed.allowed)
    ids, visual, positions, allowed = (part.to(device) for part in layout)
    tokens = {name: tensor.to(device) for name, tensor in pad(videos).items()}
    return model.hidden(ids, visual, positions, allowed, **tokens, cache=cache)


def totals(model: LmmVqa, packed: Packed, hidden: Tensor) -> Tensor:
    """Return the log-probability of each segment's learned tokens together, (B, segments)."""
    rows, places = (packed.labels >= 0).nonzero(as_tuple=True)
    logits = model.logits(hidden[rows, packed.source[rows, places]])
    found = logits.log_softmax(-1).cpu()
    each = found[torch.arange(len(rows)), packed.labels[rows, places]].double()
    starts = torch.tensor(packed.starts)
    segments = (places[:, None] >= starts[rows]).sum(1) - 1
    sums = torch.zeros(starts.shape, dtype=torch.float64)
    return sums.index_put((rows, segments), each, accumulate=True)


@contextmanager
def repeatable(model: LmmVqa) -> Iterator[None]:
    """Within it, the same input gives the same bits: no gradients, one thread on the CPU."""
    threads = torch.get_num_threads()
    try:
        if model.head.device.type == "cpu":
            torch.set_num_threads(1)
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(threads)


def _best(sums: Tensor, places: Mapping[str, int]) -> tuple[str | None, float | None]:
    """Return the likeliest of some answers and its probability among them; None: there is none."""
    if not places:
        return None, None
    probabilities = sums[list(places.values())].softmax(0)
    best = int(probabilities.argmax())
    return list(places)[best], float(probabilities[best])
