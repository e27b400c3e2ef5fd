import numpy as np
import pandas as pd
import pytest

from llm_head.breakdown import breakdown, rate_of, resolution_of
from llm_head.metrics import srcc


def test_groups_have_usual_names() -> None:
    assert [resolution_of(*size) for size in ((3840, 2160), (480, 270), (608, 1080))] == [
        "2160p", "240p", "540p",
    ]  # fmt: skip
    assert [rate_of(fps) for fps in (59.94, 25.0, 23.98, 119.88, 7.4)] == [
        "60", "25", "24", "120", "7",
    ]  # fmt: skip
    assert resolution_of(0, 0) == resolution_of(float("nan"), 5) == "" and rate_of(0) == ""


def made_up() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    high = np.arange(60) % 2 == 1
    # large videos are better, and within a size the score is noise
    return pd.DataFrame(
        {
            "mos": rng.uniform(0, 20, 60) + 60 * high,
            "score": rng.uniform(0, 20, 60) + 60 * high,
            "content": [f"c{i // 6}" for i in range(60)],
            "width": np.where(high, 1920, 640),
            "height": np.where(high, 1080, 360),
            "fps": 30.0,
        }
    )


def test_a_pooled_correlation_made_by_groups_is_seen() -> None:
    table = made_up()
    assert srcc(table["score"], table["mos"]) > 0.7
    found = breakdown(table, "score")
    assert list(found["resolution"]) == ["360p", "1080p"]
    for name, height in (("360p", 360), ("1080p", 1080)):
        rows = table[table["height"] == height]
        row = found["resolution"][name]
        assert row["n"] == 30 and abs(row["srcc"]) < 0.4
        assert row["srcc"] == pytest.approx(srcc(rows["score"], rows["mos"]))
    assert "frame_rate" not in found  # there is only one
    assert found["content"]["contents"] == 10 and len(found["content"]["groups"]) == 10
    assert found["content"]["srcc_q1"] <= found["content"]["srcc_median"] <= 1


def test_small_groups_say_so_and_unlabelled_rows_do_not_count() -> None:
    table = made_up().iloc[:8].assign(fps=[24, 24, 24, 24, 24, 60, 60, 60], content="")
    table.loc[0, "mos"] = np.nan
    found = breakdown(table, "score")
    assert found["frame_rate"]["24"]["n"] == 4 and "4 rows" in found["frame_rate"]["24"]["reason"]
    assert "content" not in found
    assert breakdown(table.assign(mos=np.nan), "score") == {}
