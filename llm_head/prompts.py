"""From conversations to token ids, with the LLM's own chat template."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jinja2 import TemplateError

from llm_head import questions
from llm_head.instruct import VIDEO, Turn
from llm_head.levels import LEVELS

SYSTEM = "You judge the quality of videos as bad, poor, fair, good or excellent."
_NUMBER_PIECE = re.compile(r"[▁Ġ]?[0-9.]{1,5}")  # both marks stand for a leading space


class PromptError(ValueError):
    """The tokenizer or its chat template cannot be used."""


@dataclass(frozen=True)
class Branch:
    """What follows the video in one conversation."""

    ids: tuple[int, ...]
    learned: tuple[bool, ...]  # one per id: whether it has a loss
    soft_at: int | None = None  # where the level word is, if this is our level answer


@dataclass(frozen=True)
class Frame:
    """How our answers to one task are built: stem, then one of the middles, then the end."""

    stem: tuple[int, ...]
    middles: tuple[tuple[int, ...], ...]
    end: tuple[int, ...]


class Chat:
    """Turns conversations into token ids around the place of the video.

    The video stands at the start of the first question, wherever a record has `<video>`, so that
    all conversations about one video begin alike and can share that beginning.

    Attributes:
        head: ids of all text before the video.
        frames: of each of our tasks, how its answers are built.
        level_words: the first id of each level word, from bad to excellent.
        order_words: the first ids of "first" and "second", of two videos.
    """

    def __init__(self, tokenizer: Any) -> None:
        """Read the template's parts.

        Raises:
            PromptError: if there is no chat template, or two level words begin with the same token
                after the stem, so that they cannot be told apart in one step.
        """
        self._tokenizer = tokenizer
        self._system: list[dict[str, str]] = [{"role": "system", "content": SYSTEM}]
        try:
            self._render([{"role": "user", "content": "x"}], True)
        except TemplateError:  # some templates know no system role
            self._system = []
        head, _ = self._split(self._render([{"role": "user", "content": VIDEO}], True))
        self.head = self.encode(head)
        if not self.head:
            raise PromptError("the chat template puts nothing before a question; not supported")
        self.frames = {
            task: frame([self.answer(text) for text in questions.answers(task)])
            for task in questions.TASKS
        }
        self.level_words = tuple(middle[0] for middle in self.frames["level"].middles)
        self.order_words = tuple(middle[0] for middle in self.frames["compare"].middles)
        if len(set(self.level_words)) < len(LEVELS):
            pairs = dict(zip(LEVELS, self.level_words, strict=True))
            raise PromptError(f"level words must begin with different tokens, found {pairs}")

    def question(self, text: str) -> tuple[int, ...]:
        """Return the ids from the end of the video to where the answer begins."""
        turn = {"role": "user", "content": f"{VIDEO}\n{text}"}
        return self.encode(self._split(self._render([turn], True))[1])

    def answer(self, text: str) -> tuple[int, ...]:
        """Return the ids of an answer, up to and with the end of the turn."""
        ids, is_answer = self._tokens([Turn("human", VIDEO), Turn("gpt", text)])
        return tuple(i for i, answer in zip(ids, is_answer, strict=True) if answer)

    def branch(self, conversation: Sequence[Turn], task: str) -> Branch:
        """Return what follows the video in a conversation.

        Of our own answers only what differs between answers is learned: read-out puts the stem
        itself and stops before the end, so a loss there would drown the one word that counts.
        Of other people's conversations every answer is learned, to the end of its turn.

        Args:
            conversation: human and gpt in turns, `<video>` in the first message.
            task: one of `questions.TASKS`, or anything else.
        """
        ids, is_answer = self._tokens(conversation)
        ours = self.frames.get(task)  # type: ignore[call-overload]
        start = is_answer.index(True)
        if ours is None or len(conversation) > 2:
            return Branch(tuple(ids), tuple(is_answer))
        first, last = start + len(ours.stem), len(ids) - len(ours.end)
        if tuple(ids[start:first]) != ours.stem or tuple(ids[last:]) != ours.end or first >= last:
            return Branch(tuple(ids), tuple(is_answer))
        learned = [False] * first + [True] * (last - first)
        is_level = task == "level" and ids[first] in self.level_words
        return Branch(tuple(ids[:last]), tuple(learned), first if is_level else None)

    def _tokens(self, conversation: Sequence[Turn]) -> tuple[list[int], list[bool]]:
        messages: list[dict[str, str]] = []
        ids: list[int] = []
        answer: list[bool] = []
        done = self._split(self._render([{"role": "user", "content": VIDEO}], True))[0] + VIDEO
        for turn in conversation:
            messages.append(_message(turn, first=not messages))
            if turn.speaker == "human":
                continue
            prompt, full = self._render(messages[:-1], True), self._render(messages, False).rstrip()
            if not prompt.startswith(done) or not full.startswith(prompt):
                raise PromptError("the chat template changes earlier turns; it cannot be used")
            for text, is_answer in ((prompt[len(done) :], False), (full[len(prompt) :], True)):
                piece = self.encode(text)
                ids += piece
                answer += [is_answer] * len(piece)
            done = full
        return ids, answer

    def number_pieces(self) -> dict[int, str]:
        """Return the tokens of digits and points, by id; one may begin with a mark for a space."""
        raw = self._tokenizer.convert_ids_to_tokens(range(len(self._tokenizer)))
        return {i: t for i, t in enumerate(raw) if t is not None and _NUMBER_PIECE.fullmatch(t)}

    def save(self, folder: str) -> None:
        """Write the tokenizer beside an LLM."""
        self._tokenizer.save_pretrained(folder)

    def text(self, ids: Sequence[int]) -> str:
        """Return ids of an answer as plain text."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    @cached_property
    def stops(self) -> frozenset[int]:
        """Return the ids that end an answer: the template's end of turn, the tokenizer's own.

        A space before the end of turn may stand within an answer and ends none.
        """
        end = frame([self.answer(text) for text in ("yes", "no")]).end
        said = [i for i in end if self._tokenizer.decode([i]).strip()]
        found = {*(said or end)[:1], self._tokenizer.eos_token_id}
        return frozenset(i for i in found if i is not None)

    def _render(self, messages: list[dict[str, str]], open_answer: bool) -> str:
        if self._tokenizer.chat_template is None:
            raise PromptError(f"{self._tokenizer.name_or_path}: the tokenizer has no chat template")
        text = self._tokenizer.apply_chat_template(
            self._system + messages,
            tokenize=False,
            add_generation_prompt=open_answer,
            enable_thinking=False,
            date_string="1 Jan 2025",  # some templates print today's date: scores would drift
        )
        return str(text)

    def _split(self, text: str) -> tuple[str, str]:
        if text.count(VIDEO) != 1:
            raise PromptError(f"the chat template does not keep {VIDEO!r}; it cannot be used")
        head, _, tail = text.partition(VIDEO)
        return head, tail

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the ids of a piece of text, without marks of its beginning or end."""
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def frame(answers: Sequence[tuple[int, ...]]) -> Frame:
    """Return what the ids of several answers have in common at both ends, and what is between.

    >>> frame([(1, 2, 3, 9), (1, 2, 4, 5, 9)])
    Frame(stem=(1, 2), middles=((3,), (4, 5)), end=(9,))
    """
    start = _common(answers)
    end = _common([ids[start:][::-1] for ids in answers])
    middles = tuple(ids[start : len(ids) - end] for ids in answers)
    return Frame(answers[0][:start], middles, answers[0][len(answers[0]) - end :])


def _common(answers: Sequence[tuple[int, ...]]) -> int:
    size, shortest = 0, min(len(ids) for ids in answers)
    while size < shortest and len({ids[size] for ids in answers}) == 1:
        size += 1
    return size


def _message(turn: Turn, first: bool) -> dict[str, str]:
    if turn.speaker == "gpt":
        return {"role": "assistant", "content": turn.value}
    if not first:
        return {"role": "user", "content": turn.value}
    text = turn.value.replace(VIDEO, "").strip()
    return {"role": "user", "content": f"{VIDEO}\n{text}" if text else VIDEO}
