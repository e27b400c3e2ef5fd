from dataclasses import replace

import numpy as np

from llm_head.packing import VISUAL
from llm_head.projector import TokenShape
from llm_head.prompts import Chat
from llm_head.shown import VideoTokens, root
from tests.tiny_llm import make_tokenizer

SHAPE = TokenShape("both", "ordered", 4, (2, 5), 4)
VIDEO = VideoTokens(np.zeros((3, 2, 5)), np.zeros((3, 4)), (1, 4, 6), "24 frames a second.")


def text(shape: TokenShape, video: VideoTokens = VIDEO) -> str:
    """Return a root as text, with a star for every place of a token."""
    tokenizer = make_tokenizer()
    (star,) = tokenizer.encode("*")
    ids = root(Chat(tokenizer), shape, video).ids
    return str(tokenizer.decode([star if i == VISUAL else i for i in ids]))


def test_by_default_the_llm_is_shown_nothing_but_tokens() -> None:
    assert text(SHAPE) == "*" * 9


def test_a_marker_stands_before_the_tokens_of_its_second() -> None:
    assert text(replace(SHAPE, markers=True)) == "\n1 s:***\n4 s:***\n6 s:***"


def test_the_cue_stands_behind_the_video() -> None:
    shape = replace(SHAPE, cue="text")
    assert text(shape) == "*" * 9 + "\n24 frames a second."
    assert text(shape, VIDEO._replace(cue="")) == "*" * 9


def test_seconds_of_a_part_count_from_its_first() -> None:
    part = VIDEO.part(1, 2)
    assert (len(part.spatial), len(part.temporal), part.seconds) == (2, 2, (0, 2))
    assert part.cue == VIDEO.cue
