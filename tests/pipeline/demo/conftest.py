"""A small film with known cuts and a small photograph, both drawn by FFmpeg."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.demo.ffmpeg import ffmpeg
from pipeline.demo.impair import STREAMING
from pipeline.demo.sources import Film, Footage, Photo

FPS = 12
CUTS_S = (2.5, 5.0)


def draw(folder: Path) -> None:
    """Write film.mp4 (7.5 s, 12 fps, cut at 2.5 s and 5 s; the last shot is still), photo.png."""
    size = f"s=480x270:r={FPS}"
    graph = (
        f"testsrc2={size}:d=2.5[a];testsrc2={size}:d=2.5,lutyuv=y=val/3,hflip[b];"
        f"color=white:{size}:d=2.5,drawbox=100:80:200:100:black:fill,format=yuv420p[c];"
        "[a][b][c]concat=n=3"
    )
    codec = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "8", "-pix_fmt", "yuv420p"]
    ffmpeg(["-filter_complex", graph, *codec, "-g", "6", str(folder / "film.mp4")])
    ffmpeg(["-f", "lavfi", "-i", "testsrc2=s=500x320", "-frames:v", "1", str(folder / "photo.png")])


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with film.mp4 and photo.png."""
    folder = tmp_path_factory.mktemp("footage")
    draw(folder)
    return folder


@pytest.fixture(scope="session")
def small() -> Footage:
    """Return the footage in `folder`, with codecs that are quick."""
    ladder = replace(STREAMING, codecs=STREAMING.codecs[:1])
    film = Film("film.mp4", Fraction(FPS), ((0.0, 7.5),), scene_s=None, largest_px=480)
    return Footage((film,), (Photo("photo.png"),), films_share=0.5, ladder=ladder, split=None)
