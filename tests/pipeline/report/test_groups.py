import numpy as np
import pandas as pd
import pytest

from pipeline.report.groups import breakdowns


def predictions() -> pd.DataFrame:
    n = 24
    mos = np.linspace(10, 90, n)
    return pd.DataFrame(
        {
            "split": ["test"] * (n - 4) + ["train"] * 4,
            "mos": mos,
            "score": mos + np.where(np.arange(n) % 2, 10.0, -4.0),
            "impairment": np.where(np.arange(n) % 2, "blur", "none"),
            "width": np.where(np.arange(n) < 18, 1920.0, 640.0),
            "height": np.where(np.arange(n) < 18, 1080.0, 360.0),
            "fps": 25.0,
        }
    )


def test_groups_hold_the_test_split_only_in_a_fixed_order() -> None:
    found = breakdowns(predictions())
    assert {part: [g.name for g in groups] for part, groups in found.items()} == {
        "impairment": ["none", "blur"],  # as in the legend
        "resolution": ["360p", "1080p"],  # by number; the one frame rate says nothing
    }
    assert [group.videos for group in found["impairment"]] == [10, 10]
    assert [group.videos for group in found["resolution"]] == [2, 18]


def test_numbers_of_a_group() -> None:
    none, blur = breakdowns(predictions())["impairment"]
    assert (none.bias, none.rmse, none.srcc) == pytest.approx((-4, 4, 1))
    assert (blur.bias, blur.rmse, blur.srcc) == pytest.approx((10, 10, 1))
    small = breakdowns(predictions())["resolution"][0]
    assert np.isnan(small.srcc) and small.rmse > 0  # two videos have no correlation


def test_what_is_not_known_is_no_group() -> None:
    unknown = predictions().assign(impairment="", width=np.nan, height=np.nan, fps=np.nan)
    assert breakdowns(unknown) == {}
