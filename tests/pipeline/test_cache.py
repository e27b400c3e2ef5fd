import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cache import (
    SCHEMA,
    CacheError,
    TokenCache,
    Tokens,
    fingerprint_sha256,
    stale_reason,
    token_file,
    write_index,
    write_tokens,
)

FINGERPRINT = {"model": "x", "random": False, "layers": [1, 2]}
WANTED = fingerprint_sha256(FINGERPRINT)
VIDEO = "ab" * 32


def some_tokens(chunks: int = 3) -> Tokens:
    tokens = np.arange(chunks * 2 * 5, dtype=np.float16).reshape(chunks, 2, 5)
    return Tokens(tokens, np.arange(chunks, dtype=float))


def test_round_trip(tmp_path: Path) -> None:
    write_tokens(token_file(tmp_path, "a/b"), some_tokens(), FINGERPRINT, VIDEO)
    write_index(tmp_path, FINGERPRINT, {"a/b": VIDEO})
    cache = pickle.loads(pickle.dumps(TokenCache(tmp_path)))
    read = cache.read("a/b")
    assert read.tokens.dtype == np.float16
    np.testing.assert_array_equal(read.tokens, some_tokens().tokens)
    np.testing.assert_array_equal(read.pts_s, [0, 1, 2])
    assert cache.fingerprint == FINGERPRINT
    assert not cache.random
    assert "a/b" in cache and "b" not in cache


def test_same_tokens_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        write_tokens(tmp_path / name, some_tokens(), FINGERPRINT, VIDEO)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_written_file_is_current_and_only_for_its_settings_and_video(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    assert stale_reason(path, WANTED, VIDEO) == "not encoded yet"
    write_tokens(path, some_tokens(), FINGERPRINT, VIDEO)
    assert stale_reason(path, WANTED, VIDEO) is None
    assert stale_reason(path, "0" * 64, VIDEO) == "made with other settings or weights"
    assert stale_reason(path, WANTED, "0" * 64) == "the video has changed"


def test_a_truncated_file_is_stale(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_tokens(path, some_tokens(), FINGERPRINT, VIDEO)
    path.write_bytes(path.read_bytes()[:-200])
    assert stale_reason(path, WANTED, VIDEO) == "the file is damaged"


def test_a_flipped_bit_in_the_tokens_is_an_error_not_a_number(tmp_path: Path) -> None:
    path = token_file(tmp_path, "a")
    write_tokens(path, some_tokens(), FINGERPRINT, VIDEO)
    write_index(tmp_path, FINGERPRINT, {"a": VIDEO})
    content = bytearray(path.read_bytes())
    at = content.find(some_tokens().tokens[1].tobytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(CacheError, match="damaged"):
        TokenCache(tmp_path).read("a")


@pytest.mark.parametrize(
    "tokens",
    [
        Tokens(np.full((1, 2), np.nan, np.float16), np.zeros(1)),
        Tokens(np.full((1, 2), np.inf, np.float16), np.zeros(1)),
        Tokens(np.zeros((0, 2), np.float16), np.zeros(0)),
        Tokens(np.zeros((2, 2), np.float16), np.zeros(1)),
    ],
)
def test_bad_tokens_are_refused_and_leave_nothing(tmp_path: Path, tokens: Tokens) -> None:
    with pytest.raises(CacheError):
        write_tokens(tmp_path / "a.h5", tokens, FINGERPRINT, VIDEO)
    assert list(tmp_path.iterdir()) == []


def test_no_index_means_not_finished(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="not finished"):
        TokenCache(tmp_path)


def test_an_index_of_before_names_the_command_that_makes_it_anew(tmp_path: Path) -> None:
    folder = tmp_path / "mine/spatial"
    folder.mkdir(parents=True)
    write_index(folder, FINGERPRINT, {})
    index = folder / "index.json"
    index.write_text(index.read_text().replace(f'"schema": {SCHEMA}', '"schema": 1'))
    with pytest.raises(CacheError, match=r"schema 1; wanted .*`lmm-vqa spatial mine`"):
        TokenCache(folder)


def test_unknown_video(tmp_path: Path) -> None:
    write_index(tmp_path, FINGERPRINT, {})
    with pytest.raises(CacheError, match="no tokens of 'a'"):
        TokenCache(tmp_path).read("a")


@given(st.text(max_size=400))
def test_any_id_stays_inside_the_folder_with_names_a_file_system_takes(video_id: str) -> None:
    folder = Path("/base/cache")
    path = token_file(folder, video_id)
    assert ".." not in path.parts
    assert path.is_relative_to(folder)
    assert len(path.relative_to(folder).parts) == video_id.count("/") + 1
    assert all(0 < len(part.encode()) <= 255 for part in path.parts)
    assert not any(part.startswith((".", "-")) for part in path.relative_to(folder).parts)


@given(st.lists(st.text(max_size=30), min_size=2, max_size=2, unique=True))
def test_two_ids_never_share_a_file(ids: list[str]) -> None:
    assert token_file(Path("c"), ids[0]) != token_file(Path("c"), ids[1])
