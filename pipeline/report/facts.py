"""What the report says beside the metrics: caches, worst misses, and how to do it again."""

import base64
import io
import platform
import subprocess
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd
from PIL import Image

from pipeline.cache import FAILURES, CacheError, Kind, TokenCache
from pipeline.video import VideoError, first_frame

THUMBNAIL_PX = 240
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
        image, problem = _thumbnail(paths.get(row["video_id"]))
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


def _thumbnail(path: Path | None) -> tuple[str, str]:
    """Return a video's first frame as a JPEG data URI, and why there is none."""
    if path is None:
        return "", "not in the manifest"
    try:
        image = Image.fromarray(first_frame(path))
    except VideoError as error:
        return "", str(error)
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode(), ""
