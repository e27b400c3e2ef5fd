import numpy as np
import pandas as pd

from llm_head.levels import LEVELS
from pipeline.report.calibration import curves


def predictions(level: int, p: float, mos: float, n: int = 10) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "video_id": [f"v{i}" for i in range(n)],
            "split": "test",
            "mos": mos,
            "score": np.linspace(5, 95, n),
            **dict.fromkeys((f"p_{name}" for name in LEVELS), (1 - p) / 4),
        }
    )
    return table.assign(**{f"p_{LEVELS[level]}": p})


def test_probabilities_that_come_true_lie_on_the_diagonal() -> None:
    good = predictions(level=3, p=0.8, mos=70, n=8)  # good is 60 to 80
    other = predictions(level=3, p=0.8, mos=50, n=2)
    levels, _ = curves(pd.concat([good, other]))
    (line,) = levels.lines
    assert [text for *_, text in line.points] == [
        "stated 5%, right 5% of 40",
        "stated 80%, right 80% of 10",
    ]
    assert [(x, y) for x, y, _ in line.points] == [
        (levels.x(0.05), levels.y(0.05)),
        (levels.x(0.8), levels.y(0.8)),
    ]


def test_scores_in_groups_of_equal_size() -> None:
    _, scores = curves(predictions(level=0, p=1.0, mos=50))
    texts = [text for *_, text in scores.lines[0].points]
    assert len(texts) == 5 and texts[0] == "predicted 10.0, label 50.0, 2 videos"
    assert scores.lines[0].path.split()[0] == f"{scores.x(10)},{scores.y(50)}"


def test_a_cut_belongs_to_the_level_above_it() -> None:
    levels, _ = curves(predictions(level=3, p=1.0, mos=60))
    assert levels.lines[0].points[-1][2] == "stated 100%, right 100% of 10"


def test_nothing_to_show() -> None:
    table = predictions(level=0, p=0.6, mos=50)
    assert curves(table.assign(split="train")) == []
    levels = [f"p_{name}" for name in LEVELS]
    without = table.assign(**dict.fromkeys(levels, np.nan))
    assert [chart.title for chart in curves(without)] == ["mean label"]
