from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipeline import manifest
from pipeline.cache import INDEX, CacheError, TokenCache, token_file
from pipeline.cache_tools import verify as tool
from pipeline.cache_tools.pack import pack
from pipeline.tokens import read_file
from tests.synthetic import make_caches, make_manifest

Make = Callable[..., Path]


def test_a_good_cache_is_good_and_all_of_it_is_read(project: Make) -> None:
    folder = project("a") / "spatial"
    found = tool.verify(folder, manifest.read(folder.parent / "manifest.csv"))
    assert found.good and found.videos == 6
    assert found.size_bytes == sum(path.stat().st_size for path in folder.rglob("*.h5"))
    assert "all as written" in tool.summary(found)
    assert tool.discard(found) == 0 and (folder / INDEX).is_file()


def test_bad_files_are_named_with_what_to_do(project: Make, flip: Callable[[Path], None]) -> None:
    folder = project("a") / "spatial"
    flip(token_file(folder, "v1"))
    token_file(folder, "v2").unlink()
    token_file(folder, "v3").write_bytes(token_file(folder.parent / "temporal", "v3").read_bytes())
    (folder / "stranger.h5").write_bytes(token_file(folder, "v4").read_bytes())
    found = tool.verify(folder)
    assert set(found.bad) == {"v1", "v2"}  # v3 has right settings; only its shape is another
    text = tool.summary(found)
    assert "2 BAD" in text and "`lmm-vqa spatial a` redoes it" in text
    assert found.strays == ["stranger.h5"] and "cache prune a/spatial" in text


def test_a_file_of_other_settings_or_another_video_is_bad(project: Make) -> None:
    folder, other = project("a") / "spatial", project("b", model="large") / "spatial"
    token_file(folder, "v0").write_bytes(token_file(other, "v0").read_bytes())
    found = tool.verify(folder)
    assert found.bad == {"v0": "made with other settings or weights"}
    with pytest.raises(CacheError, match="made with other settings"):
        TokenCache(folder).read("v0")


def test_a_cache_behind_its_manifest_is_said_to_be(project: Make) -> None:
    folder = project("a") / "spatial"
    table = manifest.read(folder.parent / "manifest.csv")
    table.loc[table["video_id"] == "v1", "sha256"] = "1" * 64
    table = pd.concat([table[table["video_id"] != "v0"], table.tail(1).assign(video_id="new")])
    found = tool.verify(folder, table)
    assert not found.good and not found.bad
    assert found.outdated == {
        "v0": "the manifest does not have it",
        "new": "in the manifest, without tokens",
        "v1": "the video has changed",
    }


@pytest.mark.parametrize("packed", [False, True])
def test_discard_leaves_the_good_ones_and_nothing_bad(
    project: Make, flip: Callable[[Path], None], packed: bool
) -> None:
    folder = project("a") / "spatial"
    right = TokenCache(folder).read("v3").tokens.tobytes()
    if packed:
        pack(folder)
        place = TokenCache(folder).packed["v2"]
        content = bytearray((folder / place.shard).read_bytes())
        content[place.tokens_at + 3] ^= 1
        (folder / place.shard).write_bytes(content)
    else:
        flip(token_file(folder, "v2"))
    found = tool.verify(folder)
    assert set(found.bad) == {"v2"}
    assert tool.discard(found) == 1
    assert not (folder / INDEX).exists()
    assert {path.stem for path in folder.glob("*.h5")} == {"v0", "v1", "v3", "v4", "v5"}
    assert not list(folder.glob("shard-*"))
    assert read_file(token_file(folder, "v3"), None).tokens.tobytes() == right


def test_a_shard_with_a_broken_head_is_one_finding(project: Make) -> None:
    folder = project("a") / "spatial"
    pack(folder)
    (shard,) = folder.glob("shard-*")
    content = bytearray(shard.read_bytes())
    content[9] ^= 0x40
    shard.write_bytes(content)
    found = tool.verify(folder)
    assert list(found.bad_shards) == [shard.name] and not found.good
    assert tool.discard(found) == 1 and not shard.exists()


@pytest.mark.slow
def test_processes_find_what_one_finds(tmp_path: Path, flip: Callable[[Path], None]) -> None:
    table = make_manifest(240)
    make_caches(tmp_path, table)
    folder = tmp_path / "temporal"
    flip(token_file(folder, "v17"))
    alone, together = (tool.verify(folder, workers=workers) for workers in (1, 2))
    assert alone.bad == together.bad and set(alone.bad) == {"v17"}
    assert alone.size_bytes == together.size_bytes
