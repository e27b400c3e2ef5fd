"""Damage to real files: every flipped bit is found, or changes nothing that is read."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline import shards
from pipeline.cache import TokenCache, Tokens, fingerprint_sha256, token_file, write_index
from pipeline.tokens import check_file, content_sha256, file_shape, stale_reason, write_tokens

FINGERPRINT = {"model": "x", "random": False, "layers": [1, 2], "weights_sha256": "c0ffee" * 10}
WANTED = fingerprint_sha256(FINGERPRINT)
VIDEO = "ab" * 32
FLIPS = 2500


def some_tokens() -> Tokens:
    rng = np.random.default_rng(0)
    return Tokens(rng.normal(size=(4, 3, 40)).astype(np.float16), np.arange(4) + 0.25)


def everything(path: Path) -> dict[str, object]:
    """Return all that h5py, as any other program, reads from a token file."""
    with h5py.File(path, "r", locking=False) as file:
        found: dict[str, object] = {name: file[name][()].tobytes() for name in file}
        return found | {f"@{name}": file.attrs[name] for name in file.attrs}


def flipped(content: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def test_a_flipped_bit_of_a_token_file_is_found_or_changes_nothing(tmp_path: Path) -> None:
    path = token_file(tmp_path, "a")
    write_tokens(path, some_tokens(), FINGERPRINT, VIDEO)
    write_index(tmp_path, FINGERPRINT, {"a": VIDEO})
    cache, content, right = TokenCache(tmp_path), path.read_bytes(), everything(path)
    assert cache.check("a") is None
    rng, harmless = np.random.default_rng(1), 0
    for _ in range(FLIPS):
        path.write_bytes(flipped(content, rng))
        if cache.check("a") is None:
            harmless += 1
            assert everything(path) == right
    assert 0 < harmless < FLIPS / 2  # there are unused bytes; most are not


def test_what_check_lets_pass_reads_as_it_was_written(tmp_path: Path) -> None:
    path = token_file(tmp_path, "a")
    write_tokens(path, some_tokens(), FINGERPRINT, VIDEO)
    write_index(tmp_path, FINGERPRINT, {"a": VIDEO})
    cache, content, rng = TokenCache(tmp_path), path.read_bytes(), np.random.default_rng(2)
    for _ in range(500):  # a read is as safe as a check, but for what only the attributes say
        path.write_bytes(flipped(content, rng))
        try:
            read = cache.read("a")
        except RuntimeError as error:
            assert "damaged" in str(error)
        else:
            assert read.tokens.tobytes() == some_tokens().tokens.tobytes()
            assert read.pts_s.tobytes() == some_tokens().pts_s.tobytes()


def test_a_flipped_bit_of_a_shard_is_found_or_changes_nothing(tmp_path: Path) -> None:
    tokens = some_tokens()
    entry = shards.Entry(
        tokens.tokens, tokens.pts_s, VIDEO, content_sha256(tokens, WANTED, VIDEO), {"av": "1"}
    )
    path = shards.write(tmp_path, {"a": entry, "b/c": entry}, WANTED)
    write_index(tmp_path, FINGERPRINT, {"a": VIDEO, "b/c": VIDEO})
    content, rng, found = path.read_bytes(), np.random.default_rng(3), 0
    for _ in range(FLIPS):
        path.write_bytes(flipped(content, rng))
        try:
            cache = TokenCache(tmp_path)
        except RuntimeError:
            found += 1
            continue
        reasons = [cache.check(video_id) for video_id in ("a", "b/c")]
        found += any(reasons)
        for video_id, reason in zip(("a", "b/c"), reasons, strict=True):
            if reason is None:
                assert cache.read(video_id).tokens.tobytes() == tokens.tokens.tobytes()
                assert cache.read(video_id).pts_s.tobytes() == tokens.pts_s.tobytes()
    assert found > FLIPS * 0.9


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.99])
def test_a_truncated_shard_is_an_error(tmp_path: Path, keep: float) -> None:
    tokens = some_tokens()
    entry = shards.Entry(tokens.tokens, tokens.pts_s, VIDEO, "0" * 64, {})
    path = shards.write(tmp_path, {"a": entry}, WANTED)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(shards.ShardError, match=r"shard-.*(damaged|truncated)"):
        shards.head(path)


def test_a_file_that_claims_terabytes_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_tokens(path, some_tokens(), FINGERPRINT, VIDEO)
    with h5py.File(path, "a") as file:
        del file["tokens"]
        file.create_dataset("tokens", (1 << 40, 3), "<f2", chunks=(1, 3), fletcher32=True)
    assert "claims" in (check_file(path) or "")


@pytest.mark.parametrize("how", ["external link", "external storage", "soft link"])
def test_a_file_that_points_at_other_files_is_refused(tmp_path: Path, how: str) -> None:
    path, secret = tmp_path / "a.h5", tmp_path / "secret"
    write_tokens(path, some_tokens(), FINGERPRINT, VIDEO)
    shutil.copy(path, secret)
    with h5py.File(path, "a") as file:
        del file["tokens"]
        if how == "external link":
            file["tokens"] = h5py.ExternalLink(str(secret), "/tokens")
        elif how == "soft link":
            file["tokens"] = h5py.SoftLink("/pts_s")
        else:
            file.create_dataset("tokens", (4, 3), "<f2", external=[(str(secret), 0, 24)])
    assert "the file is damaged" in (check_file(path) or "")


def test_a_file_of_the_first_schema_is_redone(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["tokens"], file["pts_s"] = some_tokens().tokens, some_tokens().pts_s
        file.attrs.update({"schema": 1, "complete": True, "fingerprint_sha256": WANTED})
    assert stale_reason(path, WANTED, VIDEO) == "the file is incomplete or of another schema"


def test_content_that_is_not_what_was_written_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_tokens(path, some_tokens(), FINGERPRINT, VIDEO)
    assert check_file(path) is None and file_shape(path) == (4, 3, 40)
    with h5py.File(path, "a") as file:  # as a program would, with right HDF5 checksums
        file["tokens"][2, 0, 0] = 7
    assert check_file(path) == "the content is not what was written"
