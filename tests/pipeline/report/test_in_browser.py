"""The report as a browser shows it: no complaint, figures there, pictures on hover, any width."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.browser import Page, browser, page
from pipeline import layout
from pipeline.stages import report
from tests.pipeline.stages.test_report import make_project

PROGRAM = browser()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="neither Chromium nor Chrome is installed"),
]

SIZES = (
    "[...document.querySelectorAll('figure > svg, .plot > svg')]"
    ".map(s => (r => [r.width, r.height])(s.getBoundingClientRect()))"
)
LUMA = "getComputedStyle(document.body).{}.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0)"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        report.run(make_project())
    return root / layout.REPORT


@pytest.fixture(scope="module")
def shown() -> Iterator[Page]:
    assert PROGRAM is not None
    with page(PROGRAM) as found:
        yield found


def test_nothing_to_complain_of_and_every_figure_is_drawn(written: Path, shown: Page) -> None:
    shown.open(written, 1180, 900)
    assert shown.evaluate("document.title") == "LMM-VQA report"
    sizes = shown.evaluate(SIZES)
    assert len(sizes) == 6 + 8  # with the timelines
    assert all(width > 200 and height > 100 for width, height in sizes)
    assert shown.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert shown.complaints == []


def test_a_complaint_would_be_seen(shown: Page, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text("<!doctype html><script>console.error('one'); throw Error('two')</script>")
    shown.open(bad, 400, 400)
    found, shown.complaints = shown.complaints, []
    assert len(found) == 2 and "one" in found[0] and "two" in found[1]


@pytest.mark.parametrize("width_px", [1180, 390])
def test_pointing_at_a_mark_shows_its_video(written: Path, shown: Page, width_px: int) -> None:
    shown.open(written, width_px, 900)
    shown.evaluate("document.querySelector('.plot').scrollIntoView()")
    count = shown.evaluate("document.querySelectorAll('.spot').length")
    assert count == 32  # the test split
    for number in (0, count // 2):
        spot = f"document.querySelectorAll('.spot')[{number}]"
        # a neighbour's invisible link may lie above this one, as the marks do
        shown.evaluate(f"{spot}.style.zIndex = 1")
        tip = f"{spot}.querySelector('.tip')"
        shown.move_to(0, 0)
        assert shown.evaluate(f"getComputedStyle({tip}).display") == "none"
        box = f"(r => [r.x + r.width / 2, r.y + r.height / 2])({spot}.getBoundingClientRect())"
        shown.move_to(*shown.evaluate(box))
        assert shown.evaluate(f"getComputedStyle({tip}).display") == "block"
        left, right = shown.evaluate(f"(r => [r.left, r.right])({tip}.getBoundingClientRect())")
        assert 0 <= left < right <= width_px
        assert "predicted" in shown.evaluate(f"{tip}.textContent")
    link = shown.evaluate("document.querySelector('a.spot').href")
    assert link.startswith((written.parents[1] / "data/raw/demo/clips").as_uri())


@pytest.mark.parametrize("width_px", [390, 768, 1600])
def test_it_fits_the_window(written: Path, shown: Page, width_px: int) -> None:
    shown.open(written, width_px, 800)
    assert shown.evaluate("document.documentElement.scrollWidth") <= width_px


def test_light_and_dark(written: Path, shown: Page) -> None:
    for scheme in ("light", "dark"):
        shown.open(written, 800, 600, scheme)
        paper, ink = (shown.evaluate(LUMA.format(name)) for name in ("backgroundColor", "color"))
        assert abs(paper - ink) > 500  # of 765
        assert (paper > ink) == (scheme == "light")


def test_a_picture_can_be_taken(written: Path, shown: Page) -> None:
    shown.open(written, 500, 400)
    image = shown.screenshot()
    assert image.size == (500, 400)
    assert len(set(image.resize((50, 40)).tobytes())) > 20  # not an empty page
