import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import shards
from pipeline.cache import (
    INDEX,
    CacheError,
    TokenCache,
    Tokens,
    token_file,
    write_index,
    write_tokens,
)
from pipeline.cache_tools.pack import pack, unpack
from tests.pipeline.cache_tools.conftest import contents

Make = Callable[..., Path]
SMALL = 400  # bytes of a shard: two spatial videos of 160 bytes


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_packed_cache_reads_the_same_bit_by_bit(project: Make) -> None:
    folder = project("a")
    before, index = contents(folder, "spatial"), (folder / "spatial" / INDEX).read_bytes()
    done = pack(folder / "spatial")
    assert (done.videos, done.shards, done.removed) == (6, 1, 6)
    assert not list(folder.glob("spatial/*.h5"))
    assert contents(folder, "spatial") == before
    assert (folder / "spatial" / INDEX).read_bytes() == index
    cache = TokenCache(folder / "spatial")
    assert cache.shape("v0") == (2, 3, 12)
    again = pickle.loads(pickle.dumps(cache))
    assert again.read("v3").tokens.tobytes() == cache.read("v3").tokens.tobytes()
    assert pack(folder / "spatial").videos == 0  # nothing more to do


def test_packing_is_deterministic_and_unpacking_gives_the_same_files(project: Make) -> None:
    folder = project("a") / "spatial"
    before = files(folder)
    pack(folder, SMALL)
    first = files(folder)
    cache = TokenCache(folder)
    for shard in {place.shard for place in cache.packed.values()}:
        unpack(cache, shard)
    assert files(folder) == before
    pack(folder, SMALL)
    assert files(folder) == first
    assert len(shards.listed(folder)) == 3


def test_a_shard_keeps_which_libraries_made_each_video(project: Make) -> None:
    folder = project("a") / "spatial"
    cache = TokenCache(folder)
    newer = {"av": "99.0", "torch": "2.0"}
    for video in ("v1", "v2"):
        path, sha256 = token_file(folder, video), cache.videos[video]
        write_tokens(path, cache.read(video), cache.fingerprint, sha256, newer)
    before = files(folder)
    pack(folder)
    cache = TokenCache(folder)
    assert cache.libraries("v1").items() >= newer.items()
    assert "av" not in cache.libraries("v0")
    (shard,) = {place.shard for place in cache.packed.values()}
    unpack(cache, shard)
    assert files(folder) == before


def test_any_safetensors_reader_opens_a_shard(project: Make) -> None:
    from safetensors.numpy import load_file

    folder = project("a") / "temporal"
    wanted = TokenCache(folder).read("v5").tokens
    pack(folder)
    (shard,) = shards.listed(folder)
    assert (load_file(shard)["v5/tokens"] == wanted).all()


def test_new_and_changed_videos_lie_beside_the_shards_until_packed_again(project: Make) -> None:
    folder = project("a")
    cache = TokenCache(folder / "spatial")
    changed = cache.read("v1")
    pack(folder / "spatial")
    write_tokens(token_file(folder / "spatial", "v1"), changed, cache.fingerprint, "1" * 64)
    write_tokens(token_file(folder / "spatial", "x/new"), changed, cache.fingerprint, "2" * 64)
    videos = {v: sha for v, sha in cache.videos.items() if v != "v0"}  # v0 is gone
    videos |= {"v1": "1" * 64, "x/new": "2" * 64}
    write_index(folder / "spatial", cache.fingerprint, videos)
    before = contents(folder, "spatial")
    assert set(TokenCache(folder / "spatial").packed) == {"v2", "v3", "v4", "v5"}
    done = pack(folder / "spatial")
    assert (done.videos, done.shards) == (6, 1)
    assert contents(folder, "spatial") == before
    assert not list((folder / "spatial").rglob("*.h5")) and not (folder / "spatial/x").exists()
    assert set(TokenCache(folder / "spatial").packed) == set(videos)


@pytest.mark.parametrize("digit", "123456789abc")  # a shard's name, and so its turn, differs
def test_a_video_replaced_since_is_read_from_the_newer_shard_whatever_its_name(
    project: Make, digit: str
) -> None:
    folder = project("a") / "spatial"
    cache = TokenCache(folder)
    old = cache.read("v1")
    pack(folder)
    before = shards.listed(folder)[0].read_bytes(), shards.listed(folder)[0]
    new = Tokens(-old.tokens, old.pts_s)
    write_tokens(token_file(folder, "v1"), new, cache.fingerprint, digit * 64)
    write_index(folder, cache.fingerprint, {**cache.videos, "v1": digit * 64})
    pack(folder)
    before[1].write_bytes(before[0])  # as if it had been killed before it removed the old one
    assert (TokenCache(folder).read("v1").tokens == new.tokens).all()
    assert not list(folder.rglob("*.h5"))


def test_a_damaged_file_is_not_packed_and_nothing_is_lost(
    project: Make, flip: Callable[[Path], None]
) -> None:
    folder = project("a") / "spatial"
    flip(token_file(folder, "v4"))
    before = files(folder)
    with pytest.raises(CacheError, match=r"'v4' is damaged.*--discard"):
        pack(folder, SMALL)
    left = files(folder)
    assert before.items() <= left.items()


def test_a_reader_sees_that_a_shard_was_replaced_cut_or_removed_since(project: Make) -> None:
    folder = project("a") / "spatial"
    pack(folder)
    (shard,) = shards.listed(folder)
    good, other = shard.read_bytes(), shard.with_name("other")
    cache = TokenCache(folder)
    first = cache.read("v2")
    wanted = first.tokens.tobytes() + first.pts_s.tobytes()

    def damage(path: Path) -> None:
        content = bytearray(good)
        content[cache.packed["v2"].tokens_at] ^= 1
        path.write_bytes(content)

    ways: tuple[tuple[Callable[[], object], str], ...] = (
        (lambda: (damage(other), other.replace(shard)), "the checksum differs"),
        (lambda: os.truncate(shard, cache.packed["v2"].tokens_at + 1), "the file ends too early"),
        (lambda: damage(shard), "the checksum differs"),
        (shard.unlink, "No such file"),
    )
    for change, reason in ways:
        change()
        with pytest.raises(CacheError, match=f"'v2' is damaged .*{reason}.*--discard"):
            cache.read("v2")
        assert first.tokens.tobytes() + first.pts_s.tobytes() == wanted  # no window on the file
        other.write_bytes(good)
        other.replace(shard)
        again = cache.read("v2")
        assert again.tokens.tobytes() + again.pts_s.tobytes() == wanted
    again.tokens[:] = 0  # the reader's own
    assert cache.read("v2").tokens.tobytes() == first.tokens.tobytes()


def test_tokens_that_the_system_hands_out_in_parts_are_the_same(
    project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project("a")
    pack(folder / "spatial")
    wanted, preadv, counts = contents(folder, "spatial"), os.preadv, []

    def in_parts(handle: int, buffers: list[memoryview], at: int) -> int:
        counts.append(preadv(handle, [memoryview(buffers[0]).cast("B")[:7]], at))
        return counts[-1]

    monkeypatch.setattr(os, "preadv", in_parts)
    assert contents(folder, "spatial") == wanted
    assert max(counts) == 7


def test_an_unfinished_cache_is_not_packed(project: Make) -> None:
    folder = project("a") / "spatial"
    (folder / INDEX).unlink()
    with pytest.raises(CacheError, match="not finished"):
        pack(folder)


def test_a_full_disk_is_noticed_before_anything_is_written(
    project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project("a") / "spatial"
    before = files(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0))
    with pytest.raises(CacheError, match="packing needs"):
        pack(folder)
    assert files(folder) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.cache_tools.pack import pack

left = int(sys.argv[2])

def count(event, arguments):
    global left
    if event in ("os.rename", "os.remove", "open", "os.chmod"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
pack(Path(sys.argv[1]), 400)
"""


@pytest.mark.slow
def test_killed_at_any_step_every_video_can_be_read_and_packing_goes_on(
    project: Make, tmp_path: Path
) -> None:
    """The process is killed at the nth file it opens, renames or removes, for many n."""
    folder = project("a")
    wanted = contents(folder, "spatial")
    copy, kills = tmp_path / "copy", 0
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    for step in range(2, 74, 8):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(copy / "spatial"), str(step)],
            env=environment, capture_output=True,
        )  # fmt: skip
        kills += done.returncode == -signal.SIGKILL
        assert contents(copy, "spatial") == wanted
        pack(copy / "spatial", SMALL)
        assert contents(copy, "spatial") == wanted
        assert len(TokenCache(copy / "spatial").packed) == 6
        assert not list((copy / "spatial").glob("*.h5"))
    assert kills >= 5


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_reader_reads(project: Make) -> None:
    folder = project("a") / "spatial"
    pack(folder)
    cache = TokenCache(folder)
    wanted = cache.read("v2").tokens.tobytes()
    child = os.fork()
    if child == 0:
        os._exit(0 if cache.read("v2").tokens.tobytes() == wanted else 1)
    assert os.waitpid(child, 0)[1] == 0
