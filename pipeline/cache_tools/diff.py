"""Two caches side by side, video by video."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.cache import TokenCache, Tokens, canonical
from pipeline.progress import bar


@dataclass(frozen=True)
class VideoDiff:
    """How the tokens of one video differ.

    Attributes:
        shapes: of both, where they differ; the numbers are not compared then.
        largest: absolute difference.
        mean: absolute difference.
        cosine: of all tokens in a row; NaN where one side is all zeros.
        pts_s: largest difference of the times, in seconds.
        other_video: the content hashes of the video differ.
    """

    video_id: str
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None
    largest: float
    mean: float
    cosine: float
    pts_s: float
    other_video: bool

    @property
    def equal(self) -> bool:
        return self.shapes is None and not (self.largest or self.pts_s or self.other_video)


@dataclass(frozen=True)
class CacheDiff:
    """How two caches differ; `videos` holds those only that do.

    Attributes:
        libraries: name to both versions, where those differ that made the first video that differs
            (or that both have). They make no difference by themselves.
    """

    only_a: list[str]
    only_b: list[str]
    settings: dict[str, tuple[Any, Any]]
    compared: int
    videos: list[VideoDiff]
    libraries: dict[str, tuple[str | None, str | None]]

    @property
    def equal(self) -> bool:
        return not (self.only_a or self.only_b or self.settings or self.videos)


def diff(a: Path, b: Path) -> CacheDiff:
    """Compare two finished caches.

    Raises:
        CacheError: if one is not finished, or a file is damaged.
    """
    one, two = TokenCache(a), TokenCache(b)
    both = sorted(one.videos.keys() & two.videos.keys())
    every = (
        video_diff(v, one.read(v), two.read(v), one.videos[v] != two.videos[v])
        for v in bar(both, len(both), "diff", "video")
    )
    found = [item for item in every if not item.equal]
    example = [item.video_id for item in found] or both
    return CacheDiff(
        only_a=sorted(one.videos.keys() - two.videos.keys()),
        only_b=sorted(two.videos.keys() - one.videos.keys()),
        settings=dict(_settings(one.fingerprint, two.fingerprint)),
        compared=len(both),
        videos=found,
        libraries=_libraries(*(c.libraries(example[0]) for c in (one, two))) if example else {},
    )


def _libraries(
    a: Mapping[str, str], b: Mapping[str, str]
) -> dict[str, tuple[str | None, str | None]]:
    names = sorted(a.keys() | b.keys())
    return {name: (a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name)}


def video_diff(video_id: str, a: Tokens, b: Tokens, other_video: bool) -> VideoDiff:
    """Compare the tokens of one video; in float64, since float16 overflows."""
    x, y = a.tokens.astype(np.float64), b.tokens.astype(np.float64)
    if x.shape != y.shape:
        shapes = (x.shape, y.shape)
        return VideoDiff(video_id, shapes, np.nan, np.nan, np.nan, np.nan, other_video)
    apart = np.abs(x - y)
    norms = float(np.linalg.norm(x) * np.linalg.norm(y))
    return VideoDiff(
        video_id=video_id,
        shapes=None,
        largest=float(apart.max()),
        mean=float(apart.mean()),
        cosine=float(np.vdot(x, y)) / norms if norms else np.nan,
        pts_s=float(np.abs(a.pts_s - b.pts_s).max()),
        other_video=other_video,
    )


def _settings(
    a: Mapping[str, Any], b: Mapping[str, Any], at: str = ""
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield the settings that differ, as `sampling.frames`."""
    for key in sorted(a.keys() | b.keys()):
        x, y = a.get(key), b.get(key)
        if isinstance(x, Mapping) and isinstance(y, Mapping):
            yield from _settings(x, y, f"{at}{key}.")
        elif json.loads(canonical({"": x})) != json.loads(canonical({"": y})):
            yield f"{at}{key}", (x, y)


def summary(found: CacheDiff, shown: int = 5) -> str:
    """Return the differences as text, the largest first."""
    lines = [f"setting {name}: {x!r} and {y!r}" for name, (x, y) in found.settings.items()]
    lines += [f"made with {name} {x} and {y}" for name, (x, y) in found.libraries.items()]
    for side, ids in (("first", found.only_a), ("second", found.only_b)):
        if ids:
            more = ", ..." if len(ids) > shown else ""
            lines.append(f"{len(ids)} only in the {side}: {', '.join(ids[:shown])}{more}")
    numbers = [item for item in found.videos if item.shapes is None]
    lines.append(f"{found.compared} videos in both, {len(found.videos)} differ")
    if numbers:
        lines[-1] += (
            f": largest difference {max(item.largest for item in numbers):.4g}, mean "
            f"{np.mean([item.mean for item in numbers]):.4g}, smallest cosine "
            f"{np.nanmin([1.0, *(item.cosine for item in numbers)]):.6f}"
        )
    # another shape is the largest difference there is
    worst = sorted(found.videos, key=lambda v: (v.shapes is None, -v.largest, v.video_id))
    lines += [f"  {_line(item)}" for item in worst[:shown]]
    return "\n".join(lines)


def _line(item: VideoDiff) -> str:
    note = " (of another video)" if item.other_video else ""
    if item.shapes:
        return f"{item.video_id}{note}: {item.shapes[0]} and {item.shapes[1]}"
    times = f", times {item.pts_s:.4g} s" if item.pts_s else ""
    return (
        f"{item.video_id}{note}: largest {item.largest:.4g}, mean {item.mean:.4g}, "
        f"cosine {item.cosine:.6f}{times}"
    )
