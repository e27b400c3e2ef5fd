"""From conversations to token ids, with the LLM's own chat template."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from llm_head.instruct import VIDEO, Turn
from llm_head.levels import LEVELS
from llm_head.questions import level_answer

SYSTEM = "You judge the quality of videos as bad, poor, fair, good or excellent."
_NUMBER_PIECE = re.compile(r"[▁Ġ]?[0-9.]{1,5}")  # both marks stand for a leading space


class PromptError(ValueError):
    """The tokenizer or its chat template cannot be used."""


@dataclass(frozen=True)
class Branch:
    """What follows the video in one conversation."""

    ids: tuple[int, ...]
    answer: tuple[bool, ...]  # one per id: belongs to an answer, so it has a loss
    level_at: int | None = None  # where the level word is, if the answer is a level answer


class Chat:
    """Turns conversations into token ids around the place of the video.

    The video stands at the start of the first question, wherever a record has `<video>`, so that
    all conversations about one video begin alike and can share that beginning.

    Attributes:
        head: ids of all text before the video.
        level_stem: ids of a level answer before the level word.
        level_words: the first id of each level word after that stem, from bad to excellent.
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
        self.head = self._encode(head)
        if not self.head:
            raise PromptError("the chat template puts nothing before a question; not supported")
        self.level_stem, self.level_words = self._level_tokens()

    def question(self, text: str) -> tuple[int, ...]:
        """Return the ids from the end of the video to where the answer begins."""
        turn = {"role": "user", "content": f"{VIDEO}\n{text}"}
        return self._encode(self._split(self._render([turn], True))[1])

    def answer(self, text: str) -> tuple[int, ...]:
        """Return the ids of an answer, up to and with the end of the turn."""
        branch = self.branch([Turn("human", VIDEO), Turn("gpt", text)])
        return tuple(i for i, answer in zip(branch.ids, branch.answer, strict=True) if answer)

    def branch(self, conversation: Sequence[Turn], level: bool = False) -> Branch:
        """Return what follows the video in a conversation.

        Args:
            conversation: human and gpt in turns, `<video>` in the first message.
            level: whether the answer is this project's level answer.
        """
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
                piece = self._encode(text)
                ids += piece
                answer += [is_answer] * len(piece)
            done = full
        return Branch(tuple(ids), tuple(answer), self._level_at(ids, answer) if level else None)

    def number_pieces(self) -> dict[int, str]:
        """Return the tokens of digits and points, by id; one may begin with a mark for a space."""
        raw = self._tokenizer.convert_ids_to_tokens(range(len(self._tokenizer)))
        return {i: t for i, t in enumerate(raw) if t is not None and _NUMBER_PIECE.fullmatch(t)}

    def _level_at(self, ids: list[int], answer: list[bool]) -> int | None:
        start = answer.index(True)
        at = start + len(self.level_stem)
        is_ours = tuple(ids[start:at]) == self.level_stem and ids[at] in self.level_words
        return at if is_ours else None

    def _level_tokens(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        stem, rests = common_stem([self.answer(level_answer(level)) for level in LEVELS])
        words = tuple(rest[0] for rest in rests)
        if len(set(words)) < len(LEVELS):
            pairs = dict(zip(LEVELS, words, strict=True))
            raise PromptError(f"level words must begin with different tokens, found {pairs}")
        return stem, words

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

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def common_stem(
    answers: Sequence[tuple[int, ...]],
) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Return the tokens that all answers begin with, and how each goes on.

    >>> common_stem([(1, 2, 3), (1, 2, 4, 5)])
    ((1, 2), [(3,), (4, 5)])
    """
    size = 0
    while len({ids[size] for ids in answers}) == 1:
        size += 1
    return answers[0][:size], [ids[size:] for ids in answers]


def _message(turn: Turn, first: bool) -> dict[str, str]:
    if turn.speaker == "gpt":
        return {"role": "assistant", "content": turn.value}
    if not first:
        return {"role": "user", "content": turn.value}
    text = turn.value.replace(VIDEO, "").strip()
    return {"role": "user", "content": f"{VIDEO}\n{text}" if text else VIDEO}
