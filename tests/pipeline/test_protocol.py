import numpy as np
import pandas as pd
import pytest

from pipeline.protocol import ProtocolError, contents_of, divide, folds
from pipeline.settings import ProtocolSettings


def made_up(videos: int = 200, per_content: int = 4) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "video_id": [f"v{i}" for i in range(videos)],
            "content": [f"c{i // per_content}" if i % 7 else "" for i in range(videos)],
        }
    )


FOLDS, SPLITS = ProtocolSettings(), ProtocolSettings(scheme="splits", parts=tuple(range(1, 11)))


@pytest.mark.parametrize("settings", [FOLDS, SPLITS])
def test_sides_never_share_a_content(settings: ProtocolSettings) -> None:
    table = made_up()
    for part in settings.parts:
        split = pd.Series(divide(table, "set", settings, part, seed=0))
        assert split.groupby(contents_of(table)).nunique().max() == 1
        shares = split.value_counts(normalize=True)
        assert shares["test"] == pytest.approx(0.2, abs=0.04)
        assert shares["val"] == pytest.approx(0.08, abs=0.03)


def test_every_video_is_tested_in_exactly_one_fold() -> None:
    table = made_up()
    tested = [np.array(divide(table, "set", FOLDS, part, 0)) == "test" for part in FOLDS.parts]
    assert (np.sum(tested, axis=0) == 1).all()


def test_divisions_repeat_by_seed_and_differ_by_part() -> None:
    table = made_up()
    first = divide(table, "set", SPLITS, 1, seed=0)
    assert first == divide(table, "set", SPLITS, 1, seed=0)
    assert first != divide(table, "set", SPLITS, 2, seed=0)
    assert first != divide(table, "set", SPLITS, 1, seed=1)
    assert divide(table, "set", FOLDS, 1, seed=0) != divide(table, "set", FOLDS, 1, seed=1)


def test_the_epoch_is_chosen_without_test_videos() -> None:
    table = made_up()
    none = ProtocolSettings(val_share=0)
    for part in FOLDS.parts:
        assert set(divide(table, "set", none, part, 0)) == {"train", "test"}
        with_val = np.array(divide(table, "set", FOLDS, part, 0))
        without = np.array(divide(table, "set", none, part, 0))
        assert ((with_val == "test") == (without == "test")).all()  # val comes out of train


def test_published_folds_are_used_as_they_are() -> None:
    table = made_up(20, per_content=1).assign(fold=np.arange(20) % 5)  # counted from 0
    found = folds(table, "set", 5, seed=3)
    assert found.tolist() == [i % 5 + 1 for i in range(20)]
    assert folds(table.astype({"fold": "Int64"}), "set", 5, seed=3).tolist() == found.tolist()
    assert np.array(divide(table, "set", FOLDS, 2, 0))[[1, 6, 11, 16]].tolist() == ["test"] * 4


def test_published_folds_that_do_not_fit_are_refused() -> None:
    table = made_up(20, per_content=1)
    with pytest.raises(ProtocolError, match=r"has 4 folds.* set protocol.parts to \[1, 2, 3, 4\]"):
        folds(table.assign(fold=np.arange(20) % 4), "konvid", 5, 0)
    with pytest.raises(ProtocolError, match="1 videos have no fold: v3"):
        folds(table.assign(fold=[np.nan if i == 3 else i % 5 for i in range(20)]), "konvid", 5, 0)
    with pytest.raises(ProtocolError, match="1 contents lie in more than one fold: content c1"):
        folds(table.assign(fold=np.arange(20) % 5, content=["c1"] * 2 + [""] * 18), "s", 5, 0)
    with pytest.raises(ProtocolError, match="no part 9"):
        divide(table, "set", FOLDS, 9, 0)


def test_too_few_contents_are_refused() -> None:
    one = made_up(8).assign(content="the same")
    for settings in (FOLDS, SPLITS):
        with pytest.raises(ProtocolError, match="1 contents are too few"):
            divide(one, "set", settings, 1, 0)


def test_folds_are_of_like_size() -> None:
    table = made_up(103, per_content=9)
    sizes = np.bincount(folds(table, "set", 5, seed=0))[1:]
    assert sizes.sum() == 103 and np.ptp(sizes) <= 9
