import math

import numpy as np
import pandas as pd
import pytest

from pipeline.report.figures import MAX_POINTS, MAX_STEPS, Axis, forest, scatter, training_curves


def predictions(n: int, split: str = "test") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "video_id": [f"v{i:05d}" for i in range(n)],
            "split": split,
            "impairment": "blur",
            "mos": np.linspace(0, 100, n),
            "score": np.linspace(100, 0, n),
        }
    )


def test_axis() -> None:
    axis = Axis(0, 100, 50, 450)
    assert (axis(0), axis(25), axis(100), axis(130), axis(-5)) == (50, 150, 450, 450, 50)
    assert [text for _, text in axis.ticks] == ["0", "20", "40", "60", "80", "100"]
    assert [text for _, text in Axis(-0.1, 1, 0, 1).ticks] == ["0", "0.25", "0.5", "0.75", "1"]
    assert Axis(0, 100, 300, 100)(25) == 250  # upwards


@pytest.mark.parametrize("high", [1e-6, 0.37, 1, 9.99, 12345.0])
def test_ticks_are_few_and_inside(high: float) -> None:
    ticks = Axis(0, high, 0, 100).ticks
    assert 3 <= len(ticks) <= 7
    assert all(0 <= at <= 100 for at, _ in ticks)


def test_scatter_leaves_out_what_has_no_place() -> None:
    table = predictions(4)
    table.loc[1, "mos"] = math.nan
    table.loc[2, "score"] = math.nan
    table.loc[3, "impairment"] = "rain"
    found = scatter(table)
    assert [p.title.split(":")[0] for p in found.points] == ["v00000", "v00003"]
    assert [name for _, name, _ in found.impairments] == ["blur", "other"]
    assert found.splits == [("test", 2, 2)]
    assert scatter(predictions(0)).points == []


def test_scatter_of_a_large_set_is_thinned_and_says_so() -> None:
    table = pd.concat([predictions(3500), predictions(10, "val")])
    found = scatter(table)
    assert len(found.points) <= MAX_POINTS + 10
    assert found.splits == [("val", 10, 10), ("test", 875, 3500)]
    assert found.points[-1].split == "test"  # on top


def test_training_curves() -> None:
    step = np.arange(1000)
    val = np.where(step % 100 == 0, 1 / (step + 1), np.nan)
    loss = pd.DataFrame(
        {"step": step, "train_loss": np.exp(-step / 50), "val_loss": val, "val_srcc": np.nan}
    )
    loss.loc[0, "train_loss"] = math.inf
    (chart,) = training_curves(loss)  # SRCC was not measured
    train, validation = chart.lines
    assert (train.name, validation.name) == ("training", "validation")
    assert len(train.path.split()) <= MAX_STEPS and train.points == []
    assert len(validation.points) == 10 and validation.points[0][2] == "validation, step 0: 1.000"
    assert "nan" not in train.path and "inf" not in train.path


def test_one_step_and_no_finite_loss() -> None:
    one = pd.DataFrame({"step": [0], "train_loss": [0.0], "val_loss": [np.nan], "val_srcc": [-0.2]})
    assert [chart.title for chart in training_curves(one)] == ["loss", "SRCC"]
    assert training_curves(one.assign(train_loss=np.nan, val_srcc=np.nan)) == []


def test_forest() -> None:
    rows = {
        "ours": {"srcc": 0.5, "srcc_low": 0.4, "srcc_high": 0.7},
        "few": {"srcc": -0.25, "srcc_low": None, "srcc_high": None},
        "none": {"srcc": None},
    }
    found = forest(rows)
    ours, few = found.bars  # what has no SRCC has no bar
    assert found.x.low == -0.25 and ours.title == "ours: 0.500 [0.400, 0.700]"
    assert (ours.at, ours.low, ours.high) == (found.x(0.5), found.x(0.4), found.x(0.7))
    assert (few.at, few.low) == (found.x.start_px, None) and few.y > ours.y
    assert forest({}).bars == []
