"""Pictures of what a reader sees: docs/report.png, the upper part of the report, and docs/web.png,
the page of `lmm-vqa web` with a scored video.

    make picture      # or: python -m benchmarks.picture report|web [light|dark]

Run it from the root after `make demo`. Needs Chromium or Chrome; web also gradio (extra `demo`).
"""

import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image

from benchmarks.browser import Page, browser, page
from pipeline import layout
from pipeline.atomic import replacing
from pipeline.demo.ffmpeg import ffmpeg

WIDTH_PX, HEIGHT_PX = 1180, 1500
FILM = layout.FOOTAGE / "bbb.mp4"  # its licence allows to show it
SPOILED = "gblur=sigma=5:enable='between(t,13,15.9)'"  # so that there is a worst second to show
PORT = 7861


@contextmanager
def served(*options: str, port: int = PORT) -> Iterator[str]:
    """Run `lmm-vqa web` and give its address once it answers."""
    address = f"http://127.0.0.1:{port}/"
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "web"]
    with subprocess.Popen([*command, "--port", str(port), *options]) as process:
        try:
            for _ in range(600):
                with suppress(OSError), urllib.request.urlopen(address):
                    break
                if process.poll() is not None:
                    raise RuntimeError(f"lmm-vqa web ended with exit code {process.returncode}")
                time.sleep(0.2)
            yield address
        finally:
            process.terminate()


def report(shown: Page, scheme: str) -> Image.Image:
    """Return the upper part of the report."""
    shown.open(layout.REPORT, WIDTH_PX, HEIGHT_PX, scheme)
    return shown.screenshot()


def web(shown: Page, scheme: str) -> Image.Image:
    """Return the web page after a video was dropped and its worst second asked for."""
    with served() as address, tempfile.TemporaryDirectory() as made:
        clip = Path(made) / "bunny.mp4"
        piece = ["-ss", "200", "-i", str(FILM), "-t", "24", "-an"]
        ffmpeg([*piece, "-vf", SPOILED, "-crf", "16", str(clip)])
        shown.open(address, WIDTH_PX, 760, scheme)
        shown.wait("!!document.querySelector('#drop-one input[type=file]')")
        shown.choose("#drop-one input[type=file]", clip)
        shown.wait("!!document.querySelector('#clip-one .go')", 300)
        shown.click("document.querySelector('#clip-one .go')")
        shown.wait("!!document.querySelector('#clip-one .worst.now')")
        shown.move_to(0, 0)
        time.sleep(1)  # what fades has faded
        return shown.screenshot()


def main() -> None:
    """Write a picture."""
    what, scheme = [*sys.argv[1:], "light"][:2] if sys.argv[1:] else ("", "")
    program = browser()
    needed = {"report": layout.REPORT, "web": FILM}
    if program is None or scheme not in ("light", "dark") or what not in needed:
        sys.exit(f"{__doc__}\nFound: browser {program}")
    if not needed[what].is_file():
        sys.exit(f"{needed[what]}: missing; run `make demo`")
    with page(program) as shown:
        image = {"report": report, "web": web}[what](shown, scheme)
    out = Path(f"docs/{what}.png")
    with replacing(out) as tmp:  # 256 colours are a third of the bytes, and enough
        image.quantize(256).save(tmp, "PNG", optimize=True)
    print(f"{out}: {out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
