"""Export: a cache for programs that know nothing of this project."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from safetensors.numpy import save_file

from pipeline.atomic import TMP_PREFIX, write_text
from pipeline.cache import INDEX, CacheError, TokenCache, token_file
from pipeline.progress import bar

Format = Literal["safetensors", "zarr"]


def export(folder: Path, to: Path, form: Format) -> int:
    """Write a cache in another format; return the number of videos.

    safetensors: a file per video, named as the token file, with tensors `tokens` and `pts_s`.
    zarr: one store (format 3) with a group per video and arrays of those names. Both carry the
    fingerprint, the video's id and its hash, and the folder an index.json.

    Args:
        to: a folder that is not there yet; it appears whole or not at all.

    Raises:
        CacheError: if `to` exists, the cache is not finished, a file is damaged, or zarr is asked
            for and not installed.
    """
    cache = TokenCache(folder)
    if to.exists():
        raise CacheError(f"{to}: exists; name a folder that is not there yet")
    with _whole(to) as tmp:
        write = {"safetensors": _safetensors, "zarr": _zarr}[form]
        write(cache, tmp)
        index = {
            "fingerprint": cache.fingerprint,
            "fingerprint_sha256": cache.fingerprint_sha256,
            "videos": cache.videos,
        }
        write_text(tmp / INDEX, json.dumps(index, indent=1, sort_keys=True) + "\n")
    return len(cache.videos)


@contextmanager
def _whole(to: Path) -> Iterator[Path]:
    to.parent.mkdir(parents=True, exist_ok=True)
    tmp = Path(tempfile.mkdtemp(prefix=TMP_PREFIX, dir=to.parent))
    try:
        yield tmp
        tmp.chmod(0o755)
        os.rename(tmp, to)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


def _about(cache: TokenCache, video_id: str) -> dict[str, Any]:
    return {
        "video_id": video_id,
        "video_sha256": cache.videos[video_id],
        "fingerprint": cache.fingerprint,
    }


def _videos(cache: TokenCache) -> Iterator[str]:
    yield from bar(sorted(cache.videos), len(cache.videos), "export", "video")


def _safetensors(cache: TokenCache, to: Path) -> None:
    for video_id in _videos(cache):
        tokens = cache.read(video_id)
        path = token_file(to, video_id).with_suffix(".safetensors")
        path.parent.mkdir(parents=True, exist_ok=True)
        # one entry, so that equal caches give equal files: the library does not sort metadata
        about = {"lmm_vqa": json.dumps(_about(cache, video_id), sort_keys=True)}
        save_file({"tokens": tokens.tokens, "pts_s": tokens.pts_s}, path, metadata=about)


def _zarr(cache: TokenCache, to: Path) -> None:
    try:
        import zarr
    except ImportError as error:
        raise CacheError("zarr is not installed; `pip install 'lmm-vqa[zarr]'`") from error
    root = zarr.open_group(to, mode="a", zarr_format=3)
    root.attrs.update({"fingerprint": cache.fingerprint})
    for video_id in _videos(cache):
        tokens = cache.read(video_id)
        # the names of the token files: zarr takes no id that is `..` or has odd characters
        name = token_file(Path(), video_id).with_suffix("").as_posix()
        group = root.create_group(name, attributes=_about(cache, video_id))
        chunks = (1, *tokens.tokens.shape[1:])
        group.create_array("tokens", data=tokens.tokens, chunks=chunks)
        group.create_array("pts_s", data=tokens.pts_s)
