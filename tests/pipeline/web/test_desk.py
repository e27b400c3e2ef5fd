"""When an upload is removed, and what is compared; a scorer is not needed to tell."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llm_head.pair import Comparison, compare
from pipeline.scoring import Failed, Scored
from pipeline.web.desk import Desk


class FakeScorer:
    """Gives every readable file the score that is written in it."""

    def scores(self, paths: Sequence[Path], timeline: bool) -> Iterator[Scored | Failed]:
        assert timeline
        for path in paths:
            text = path.read_text()
            if text.isdigit():
                answer: Any = SimpleNamespace(score=float(text), score_std=3.0)
                shown: Any = None
                yield Scored(str(path), "0" * 64, answer, "", shown)
            else:
                yield Failed(str(path), f"{path}: not a video")

    def compared(self, a: Scored, b: Scored) -> Comparison:
        return compare(a.answer, b.answer)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    scorer: Any = FakeScorer()
    (tmp_path / "uploads").mkdir()
    return Desk(scorer, tmp_path / "uploads")


def upload(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / "uploads" / name / f"{name}.mp4"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "uploads").iterdir())


def test_an_upload_goes_when_another_takes_its_place(desk: Desk, tmp_path: Path) -> None:
    desk.put("s", "one", upload(tmp_path, "first", "50"))
    assert left(tmp_path) == ["first"]
    desk.put("s", "one", upload(tmp_path, "second", "60"))
    assert left(tmp_path) == ["second"]
    desk.clear("s", "one")
    desk.clear("s", "one")
    assert left(tmp_path) == []


def test_a_file_that_two_pages_show_stays_until_both_are_closed(desk: Desk, tmp_path: Path) -> None:
    path = upload(tmp_path, "shared", "50")
    for session in ("s", "t"):
        desk.put(session, "one", path)
    desk.put("s", "a", upload(tmp_path, "more", "40"))
    desk.leave("s")
    assert left(tmp_path) == ["shared"]
    desk.put("t", "one", path)  # once more the same
    assert left(tmp_path) == ["shared"]
    desk.leave("t")
    assert left(tmp_path) == []


def test_a_bad_file_goes_at_once_and_its_place_is_not_told(desk: Desk, tmp_path: Path) -> None:
    desk.put("s", "one", upload(tmp_path, "good", "50"))
    found = desk.put("s", "one", upload(tmp_path, "bad", "no video"))
    assert found.result == Failed("bad.mp4", "bad.mp4: not a video")
    assert left(tmp_path) == []


def test_only_uploads_are_read_or_removed(desk: Desk, tmp_path: Path) -> None:
    private = tmp_path / "private.mp4"
    private.write_text("99")
    (tmp_path / "uploads/link").mkdir()
    (tmp_path / "uploads/link/private.mp4").symlink_to(private)
    for path in (
        private,
        tmp_path / "uploads/link/private.mp4",
        tmp_path / "uploads/../private.mp4",
    ):
        found = desk.put("s", "one", path)
        assert found.result == Failed("private.mp4", "private.mp4: no such upload")
    assert private.read_text() == "99"


def test_a_and_b_are_compared_when_both_have_a_score(desk: Desk, tmp_path: Path) -> None:
    assert desk.comparison("s") == ""
    desk.put("s", "a", upload(tmp_path, "x", "40"))
    desk.put("t", "b", upload(tmp_path, "y", "60"))  # of another page
    assert desk.comparison("s") == ""
    desk.put("s", "b", upload(tmp_path, "z", "52"))
    assert desk.comparison("s").startswith(
        "B (z.mp4) is better than A (x.mp4) by 12.0 ± 4.2 points"
    )
    desk.put("s", "b", upload(tmp_path, "w", "no video"))
    assert desk.comparison("s") == ""
