"""Real caches of made-up tokens, as a project has them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline import manifest
from pipeline.cache import Kind
from tests.synthetic import make_caches, make_manifest


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a maker of data sets in a project of their own; the working folder is its root."""
    monkeypatch.chdir(tmp_path)

    def make(name: str, count: int = 6, seed: int = 0, **fingerprint: object) -> Path:
        table = make_manifest(count, seed)
        manifest.write(Path("data") / name / "manifest.csv", table)
        make_caches(
            Path("data") / name, table, seed, {"model": "tiny", "random": False, **fingerprint}
        )
        return Path("data") / name

    return make


@pytest.fixture
def flip() -> Callable[[Path], None]:
    """Return what flips one bit in the middle of a file."""

    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 4
        path.write_bytes(content)

    return damage


def contents(folder: Path, kind: Kind) -> dict[str, bytes]:
    """Return the tokens of every video as the head reads them."""
    from pipeline.cache import TokenCache

    cache = TokenCache(folder / kind)
    read = {v: cache.read(v) for v in cache.videos}
    return {v: t.tokens.tobytes() + np.asarray(t.pts_s).tobytes() for v, t in read.items()}
