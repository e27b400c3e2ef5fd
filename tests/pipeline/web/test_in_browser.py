"""`lmm-vqa web` as somebody uses it: a real server, a real browser, real files."""

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.browser import Page, browser, page
from benchmarks.picture import served
from llm_head import pair
from pipeline.demo.ffmpeg import ffmpeg
from pipeline.scoring import Scored, Scorer
from pipeline.web import serve

PROGRAM = browser()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("gradio") is None, reason="gradio (extra demo) is not installed"),
]
in_browser = pytest.mark.skipif(PROGRAM is None, reason="neither Chromium nor Chrome is installed")


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return two clips that a browser can play, and a text that is none."""
    folder = tmp_path_factory.mktemp("clips")
    for name, filters in (("sharp", "null"), ("soft", "gblur=sigma=8:enable='gte(t,2)'")):
        source = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=4"]
        ffmpeg([*source, "-vf", filters, "-c:v", "libvpx-vp9", str(folder / f"{name}.webm")])
    (folder / "text.mp4").write_text("this is no video")
    return [folder / name for name in ("sharp.webm", "soft.webm", "text.mp4")]


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def address(tiny_model: Path, temporary: Path) -> Iterator[str]:
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # of the server, not of the browser
            patch.setenv("TMPDIR", str(temporary))
            options = ("--model", str(tiny_model), "--max-mb", "1")
            found = stack.enter_context(served(*options, port=free_port()))
        yield found
    assert list(temporary.iterdir()) == []  # terminated, the server has left nothing


@pytest.fixture(scope="module")
def expected(tiny_model: Path, clips: list[Path]) -> list[Scored]:
    scorer = Scorer(tiny_model)
    return [scorer.score(clip, timeline=True) for clip in clips[:2]]


@pytest.fixture
def shown(address: str) -> Iterator[Page]:
    """Yield the page in a browser; nothing in it may complain or look elsewhere."""
    assert PROGRAM is not None
    with page(PROGRAM) as found:
        found.open(address, 1180, 900)
        found.wait("!!document.querySelector('#drop-one input[type=file]')")
        yield found
        # of gradio's own scripts, at each upload
        known = "'Method not implemented.'"
        assert [text for text in found.complaints if known not in text] == []
        assert len(found.requests) > 10
        assert [url for url in found.requests if not url.startswith((address, "data:"))] == []


def uploads(temporary: Path) -> list[str]:
    return sorted(path.name for path in temporary.rglob("*") if path.is_file())


def drop(shown: Page, slot: str, clip: Path, until: str) -> None:
    shown.choose(f"#drop-{slot} input[type=file]", clip)
    shown.wait(f"document.querySelector('#clip-{slot}').innerText.includes({until!r})")


@in_browser
def test_a_dropped_video_shows_what_score_says(
    shown: Page, temporary: Path, clips: list[Path], expected: list[Scored]
) -> None:
    drop(shown, "one", clips[1], "soft.webm")
    score = "document.querySelector('#clip-one [data-score]')"
    assert float(shown.evaluate(f"{score}.dataset.score")) == expected[1].score
    text = shown.evaluate("document.querySelector('#clip-one').innerText")
    assert f"{expected[1].score:.1f} ± {expected[1].score_std:.1f} {expected[1].level}" in text
    assert expected[1].reason in text
    assert "had random weights: the scores mean nothing" in shown.evaluate(
        "document.body.innerText"
    )

    worst = min(expected[1].timeline, key=lambda second: second.score)
    assert len(expected[1].timeline) == 4 and worst.start_s > 0
    player = "document.querySelector('#clip-one video')"
    shown.wait(f"{player}.readyState >= 2")
    assert shown.evaluate(f"{player}.currentTime") == 0
    shown.click("document.querySelector('#clip-one .go')")
    shown.wait(f"!{player}.seeking && {player}.currentTime > 0")
    assert shown.evaluate(f"{player}.currentTime") == worst.start_s
    shown.wait("!!document.querySelector('#clip-one .worst.now')")
    shown.click("document.querySelectorAll('#clip-one .timeline [data-at]')[3]")
    shown.wait(f"!{player}.seeking && {player}.currentTime == 3")

    # the tokens have gone, the upload stays for the player, and goes with it
    assert uploads(temporary) == ["soft.webm"]
    shown.click("document.querySelector('#drop-one [aria-label=Clear]')")
    shown.wait("document.querySelector('#clip-one').innerText.trim() === ''")
    assert uploads(temporary) == []


@in_browser
def test_two_videos_are_compared(
    shown: Page, temporary: Path, clips: list[Path], expected: list[Scored]
) -> None:
    shown.click("document.querySelectorAll('[role=tab]')[1]")
    shown.wait("!!document.querySelector('#drop-b input[type=file]')")
    drop(shown, "a", clips[0], "sharp.webm")
    drop(shown, "b", clips[1], "soft.webm")
    found = pair.compare(expected[0].answer, expected[1].answer)
    words = pair.words(found, "A (sharp.webm)", "B (soft.webm)")
    shown.wait(f"document.querySelector('#verdict').innerText.trim() === {words!r}")
    shown.call("Page.navigate", url="about:blank")  # closed, its uploads go
    end = time.monotonic() + 60
    while uploads(temporary) and time.monotonic() < end:
        time.sleep(0.2)
    assert uploads(temporary) == []


@in_browser
def test_a_bad_file_is_told_and_the_server_goes_on(
    shown: Page, temporary: Path, clips: list[Path]
) -> None:
    drop(shown, "one", clips[2], "No score.")
    text = shown.evaluate("document.querySelector('#clip-one').innerText")
    assert "text.mp4: " in text and str(temporary) not in text
    assert uploads(temporary) == []
    shown.click("document.querySelector('#drop-one [aria-label=Clear]')")
    shown.wait("document.querySelector('#clip-one').innerText.trim() === ''")
    shown.wait("!!document.querySelector('#drop-one input[type=file]')")
    drop(shown, "one", clips[0], "sharp.webm")


def request(address: str, method: str, path: str, **given: object) -> int:
    connection = http.client.HTTPConnection(address.split("/")[2], timeout=30)
    connection.request(method, path, **given)  # type: ignore[arg-type]
    found = connection.getresponse().status
    connection.close()
    return found


def test_nothing_but_uploads_is_served(address: str, clips: list[Path]) -> None:
    assert request(address, "GET", "/") == 200
    assert request(address, "GET", "/", headers={"Host": "evil.example"}) == 400
    for path in (clips[0], Path("setup.cfg").resolve(), Path(serve.__file__), "/etc/hostname"):
        assert request(address, "GET", f"/gradio_api/file={path}") in (403, 404)
    for path in (
        "file=http://127.0.0.1:9/x",
        "file=HTTPS://example.com/",
        "proxy=http://x.hf.space/",
    ):
        assert request(address, "GET", f"/gradio_api/{path}") == 404
    assert request(address, "GET", "/docs") == 404


def test_a_large_upload_is_refused_and_nothing_stays(address: str, temporary: Path) -> None:
    body = b"".join(
        [
            b'--x\r\nContent-Disposition: form-data; name="files"; filename="big.mp4"\r\n\r\n',
            bytes(1_500_000),
            b"\r\n--x--\r\n",
        ]
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert request(address, "POST", "/gradio_api/upload", body=body, headers=headers) == 413
    assert uploads(temporary) == []


def test_a_port_in_use_is_told(address: str, tiny_model: Path) -> None:
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "web"]
    port = address.rstrip("/").rsplit(":", 1)[1]
    done = subprocess.run(
        [*command, "--model", str(tiny_model), "--port", port], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert (
        f"error: cannot listen at 127.0.0.1:{port}: [Errno 98] Address already in use"
        in done.stderr
    )


def test_without_gradio_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    with pytest.raises(serve.WebError, match=r"pip install 'lmm-vqa\[demo\]'"):
        serve.check()
