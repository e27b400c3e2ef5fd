from dataclasses import replace

import numpy as np
import pytest

from llm_head.pair import compare
from tests.llm_head.test_reason import ANSWER


def test_difference_and_probability_against_drawn_scores() -> None:
    a, b = ANSWER, replace(ANSWER, score=55.0, score_std=12.0)
    found = compare(a, b)
    rng = np.random.default_rng(0)
    drawn = rng.normal(62, 9, 400_000) - rng.normal(55, 12, 400_000)
    assert found.difference == 7
    assert found.difference_std == pytest.approx(drawn.std(), rel=0.01)
    assert found.a_better == pytest.approx((drawn > 0).mean(), abs=0.005)
    assert compare(b, a).a_better == pytest.approx(1 - found.a_better)


def test_scores_without_a_spread() -> None:
    a, b = (replace(ANSWER, score=score, score_std=0.0) for score in (60.0, 50.0))
    assert (compare(a, b).a_better, compare(b, a).a_better, compare(a, a).a_better) == (1, 0, 0.5)
