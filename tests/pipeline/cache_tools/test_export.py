import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open

from pipeline.cache import CacheError, TokenCache
from pipeline.cache_tools.export import export

Make = Callable[..., Path]


def test_safetensors_hold_the_tokens_and_where_they_come_from(
    project: Make, tmp_path: Path
) -> None:
    folder = project("a") / "spatial"
    assert export(folder, tmp_path / "out", "safetensors") == 6
    with safe_open(tmp_path / "out/v3.safetensors", "np") as file:
        about = json.loads(file.metadata()["lmm_vqa"])
        tokens, pts_s = file.get_tensor("tokens"), file.get_tensor("pts_s")
    read = TokenCache(folder).read("v3")
    assert tokens.dtype == "float16" and (tokens == read.tokens).all()
    assert (pts_s == read.pts_s).all()
    assert about["video_id"] == "v3" and about["fingerprint"] == TokenCache(folder).fingerprint
    assert json.loads((tmp_path / "out/index.json").read_text())["videos"].keys() == {
        f"v{n}" for n in range(6)
    }
    export(folder, tmp_path / "again", "safetensors")
    for path in (tmp_path / "out").iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_zarr_holds_the_tokens(project: Make, tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    folder = project("a") / "spatial"
    export(folder, tmp_path / "out.zarr", "zarr")
    root = zarr.open_group(tmp_path / "out.zarr", mode="r")
    read = TokenCache(folder).read("v3")
    assert (root["v3/tokens"][:] == read.tokens).all() and root["v3/tokens"].dtype == "float16"
    assert (root["v3/pts_s"][:] == read.pts_s).all()
    assert root["v3"].attrs["video_id"] == "v3"


def test_nothing_is_overwritten_and_nothing_half_written_stays(
    project: Make, tmp_path: Path, flip: Callable[[Path], None]
) -> None:
    folder = project("a") / "spatial"
    (tmp_path / "there").mkdir()
    with pytest.raises(CacheError, match="there: exists"):
        export(folder, tmp_path / "there", "safetensors")
    flip(folder / "v4.h5")
    with pytest.raises(CacheError, match="damaged"):
        export(folder, tmp_path / "out", "safetensors")
    assert {path.name for path in tmp_path.iterdir()} == {"data", "there"}
