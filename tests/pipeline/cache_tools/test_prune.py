import os
import time
from collections.abc import Callable
from pathlib import Path

from pipeline import manifest
from pipeline.cache import TokenCache, token_file
from pipeline.cache_tools.pack import pack
from pipeline.cache_tools.prune import remove, summary, waste

Make = Callable[..., Path]


def test_waste_is_named_then_removed_and_the_rest_stays(project: Make) -> None:
    folder = project("a") / "spatial"
    table = manifest.read(folder.parent / "manifest.csv")
    for name, age_s in ((".tmp-old.h5", 3600), (".tmp-new.h5", 1)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age_s,) * 2)
    kept = table[table["video_id"] != "v2"]

    found = waste(folder, kept)
    assert [path.name for path in found.strays] == ["v2.h5"]
    assert [path.name for path in found.half_written] == [".tmp-old.h5"]
    assert "would remove 1 token files" in summary(found, done=False)
    assert token_file(folder, "v2").exists()  # only said so far

    remove(found)
    assert not token_file(folder, "v2").exists() and not (folder / ".tmp-old.h5").exists()
    assert (folder / ".tmp-new.h5").exists()  # its writer may be at work
    cache = TokenCache(folder)
    assert set(cache.videos) == set(kept["video_id"])
    assert all(cache.check(video_id) is None for video_id in cache.videos)
    assert "nothing to remove" in summary(waste(folder, kept), done=True)


def test_a_shard_goes_when_no_video_of_it_is_wanted(project: Make) -> None:
    folder = project("a") / "spatial"
    table = manifest.read(folder.parent / "manifest.csv")
    pack(folder, 500)  # three videos of 160 bytes a shard
    shards = sorted({place.shard for place in TokenCache(folder).packed.values()})
    gone = [v for v, place in TokenCache(folder).packed.items() if place.shard == shards[0]]
    found = waste(folder, table[~table["video_id"].isin(gone)])
    assert [path.name for path in found.dead_shards] == shards[:1]
    assert found.unlisted == sorted(gone)
    remove(found)
    assert len(TokenCache(folder).videos) == 6 - len(gone)
