"""What the report says beside the metrics: data, caches, pictures, and how to do it again."""

import base64
import io
import math
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import quote

import pandas as pd
from PIL import Image

from llm_head.breakdown import rate_of
from pipeline.cache import FAILURES, CacheError, Kind, TokenCache
from pipeline.video import VideoError, first_frame

THUMBNAIL_PX = 240
PICTURE_PX = 152  # beside a point of the scatter plot
PACKAGES = (
    *("lmm-vqa", "numpy", "torch", "transformers", "open_clip_torch", "pytorchvideo", "timm", "av"),
    *("h5py", "scikit-learn", "scipy", "peft"),
)


@dataclass(frozen=True)
class CacheFacts:
    """A token cache in a row of a table.

    Attributes:
        problem: why it cannot be read, else empty; the other facts are then empty too.
        shape: of one chunk's tokens, for instance ``16 x 320``.
        failed: videos that have no tokens.
    """

    dataset: str
    kind: str
    problem: str = ""
    videos: int = 0
    failed: int = 0
    chunks: int = 0
    shape: str = ""
    size_bytes: int = 0
    encoder: str = ""
    weights_sha256: str = ""
    random: bool = False


@dataclass(frozen=True)
class Miss:
    """A video whose prediction is far from its label.

    Attributes:
        image: data URI of its first frame, empty if it cannot be decoded (`problem` says why).
    """

    video_id: str
    mos: float
    score: float
    impairment: str
    image: str
    problem: str


@dataclass(frozen=True)
class Picture:
    """What a point of the scatter plot shows.

    Attributes:
        image: data URI of the first frame, empty if it cannot be decoded.
        link: to the clip, relative to the page; empty if the file is not there.
    """

    image: str
    link: str


@dataclass(frozen=True)
class DataFacts:
    """A data set in a row of a table; counts are of videos unless they say otherwise.

    Attributes:
        splits: labelled videos of train, val and test.
    """

    dataset: str
    videos: int
    contents: int
    minutes: float
    splits: tuple[int, int, int]
    sizes: str
    rates: str
    codecs: str


def data_facts(dataset: str, rows: pd.DataFrame) -> DataFacts:
    """Return the facts of a data set.

    Args:
        rows: its manifest.
    """
    labelled = rows[rows["mos"].notna()]
    known = rows[(rows["width"] > 0) & (rows["height"] > 0)]
    sizes = [f"{w:.0f}x{h:.0f}" for w, h in zip(known["width"], known["height"], strict=True)]
    train, val, test = (int((labelled["split"] == s).sum()) for s in ("train", "val", "test"))
    return DataFacts(
        dataset=dataset,
        videos=len(rows),
        contents=len(set(rows["content"]) - {""}),
        minutes=float(rows["duration_s"].sum()) / 60,
        splits=(train, val, test),
        sizes=_commonest(sizes),
        rates=_commonest([rate_of(fps) for fps in rows["fps"]]),
        codecs=_commonest(rows["codec"]),
    )


def pictures(
    predictions: pd.DataFrame, paths: dict[str, Path], most: int, page: Path
) -> dict[str, Picture]:
    """Return the pictures of the scatter plot's test videos, evenly chosen if there are too many.

    Args:
        predictions: from `pipeline.report.results.read_predictions`.
        paths: of the videos, by id.
        most: how many at most; each makes the page some kilobytes heavier.
        page: the file that will hold them.
    """
    rows = predictions[(predictions["split"] == "test") & predictions["mos"].notna()]
    ids = sorted(rows.loc[rows["score"].notna(), "video_id"])
    found = {}
    for video_id in ids[:: max(1, math.ceil(len(ids) / most))]:
        path = paths.get(video_id)
        image, _ = thumbnail(path, PICTURE_PX, quality=60)
        there = path is not None and path.is_file()
        found[video_id] = Picture(image, _link(path, page) if path and there else "")
    return found


def cache_facts(folder: Path, kind: Kind) -> CacheFacts:
    """Return the facts of data/<dataset>/<kind>; reads shapes, never tokens."""
    dataset = folder.parent.name
    try:
        cache = TokenCache(folder)
        shapes = [cache.shape(video_id) for video_id in cache.videos]
        size_bytes = sum(cache.size_bytes(video_id) for video_id in cache.videos)
    except (CacheError, OSError, KeyError) as error:
        return CacheFacts(dataset, kind, problem=str(error))
    shared = Counter(" x ".join(map(str, shape[1:])) for shape in shapes)
    failures = folder / FAILURES
    return CacheFacts(
        dataset=dataset,
        kind=kind,
        videos=len(cache.videos),
        failed=len(pd.read_csv(failures, dtype=str)) if failures.is_file() else 0,
        chunks=sum(shape[0] for shape in shapes),
        shape=" or ".join(sorted(shared)),
        size_bytes=size_bytes,
        encoder=str(cache.fingerprint.get("model", "not stated")),
        weights_sha256=str(cache.fingerprint.get("weights_sha256", "not stated")),
        random=cache.random,
    )


def worst_misses(predictions: pd.DataFrame, paths: dict[str, Path], count: int) -> list[Miss]:
    """Return the test videos with the largest error, the largest first, each with a picture.

    Args:
        predictions: from `pipeline.report.results.read_predictions`.
        paths: of the videos, by id.
        count: how many at most.
    """
    rows = predictions[(predictions["split"] == "test") & predictions["mos"].notna()]
    rows = rows[rows["score"].notna()]
    errors = (rows["score"] - rows["mos"]).abs()
    order = rows.assign(error=errors).sort_values(["error", "video_id"], ascending=[False, True])
    misses = []
    for row in order.head(count).to_dict("records"):
        image, problem = thumbnail(paths.get(row["video_id"]))
        misses.append(
            Miss(row["video_id"], row["mos"], row["score"], row["impairment"], image, problem)
        )
    return misses


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages whose numbers the results depend on."""
    found = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def git_commit() -> str:
    """Return the commit that is checked out, empty outside a repository or without git."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _commonest(values: Iterable[str], most: int = 5) -> str:
    """Return the commonest values with their counts as text; what is not known is left out."""
    counts = Counter(value for value in values if value)
    shown = [f"{value} ({count})" for value, count in counts.most_common(most)]
    return ", ".join(shown + (["..."] if len(counts) > most else []))


def _link(path: Path, page: Path) -> str:
    # a name from a stranger must stay a name: not a scheme, a query or a fragment
    return quote(Path(os.path.relpath(path, page.parent)).as_posix())


def thumbnail(path: Path | None, size_px: int = THUMBNAIL_PX, quality: int = 80) -> tuple[str, str]:
    """Return a video's first frame as a JPEG data URI, and why there is none."""
    if path is None:
        return "", "not in the manifest"
    try:
        image = Image.fromarray(first_frame(path))
    except VideoError as error:
        return "", str(error)
    image.thumbnail((size_px, size_px))
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode(), ""
