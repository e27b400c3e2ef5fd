from pathlib import Path

import pandas as pd
import pytest

from llm_head.timeline_metrics import SECONDS
from pipeline.report.results import ResultsError, read_timelines
from pipeline.report.timelines import HEIGHT, LEFT, WIDTH, gallery


def table(**videos: list[float]) -> pd.DataFrame:
    rows = [
        (video_id, float(at), score, 10.0, "fair")
        for video_id, scores in videos.items()
        for at, score in enumerate(scores)
    ]
    return pd.DataFrame(rows, columns=SECONDS)


def predictions(*ids: str) -> pd.DataFrame:
    return pd.DataFrame({"video_id": ids, "mos": [50.0, None, 20.0][: len(ids)], "score": 60.0})


def test_the_largest_gap_comes_first_and_one_second_is_no_timeline() -> None:
    seconds = table(flat=[50, 51], deep=[90, 20, 80], one=[1], gone=[0, 100])
    strips = gallery(seconds, predictions("flat", "deep", "one"), {}, 8)
    assert [strip.video_id for strip in strips] == ["deep", "flat"]
    assert [strip.fall for strip in strips] == [70, 1]
    assert [strip.label for strip in strips] == [None, 50]
    assert [s.video_id for s in gallery(seconds, predictions("flat", "deep"), {}, 2)] == ["deep"]
    assert gallery(table(), predictions("flat"), {}, 8) == []


def test_the_drawing_stands_where_the_scores_are() -> None:
    (strip,) = gallery(table(v=[100, 0, 50]), predictions("v"), {}, 1)
    third = (strip.x.end_px - LEFT) / 3
    assert strip.worst == (pytest.approx(LEFT + third, abs=0.1), strip.x(2), "0:01: 0 ± 10")
    top, middle, bottom = (strip.y(value) for value in (100, 50, 0))
    assert strip.line == (
        f"M{strip.x(0)} {top}L{strip.x(1)} {top}L{strip.x(1)} {bottom}L{strip.x(2)} {bottom}"
        f"L{strip.x(2)} {middle}L{strip.x(3)} {middle}"
    )
    assert strip.band.endswith("Z") and strip.band.count("L") == 11
    assert 0 <= top < bottom <= HEIGHT and strip.x.end_px <= WIDTH
    assert strip.ticks == [(strip.x(0), "0:00"), (strip.x(3), "0:03")]


def test_timelines_are_read_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "demo.csv"
    with pytest.raises(ResultsError, match=r"missing; run `lmm-vqa predict demo`"):
        read_timelines(path)
    table(NA=[1.5, 2]).to_csv(path, index=False)
    assert read_timelines(path)["video_id"].tolist() == ["NA", "NA"]
    path.write_text("video_id,start_s\nv,0\n")
    with pytest.raises(
        ResultsError, match=r"columns \['score', 'score_std', 'level'\] are missing"
    ):
        read_timelines(path)
    path.write_text("video_id,start_s,score,score_std,level\nv,x,1,2,bad\n")
    with pytest.raises(ResultsError, match="not timelines"):
        read_timelines(path)
