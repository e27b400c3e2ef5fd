from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import leaks
from pipeline.leaks import BITS, MAX_BITS, LeakError, Seen


def video(name: str, hashes: np.ndarray, sha256: str = "") -> Seen:
    return Seen(name, sha256 or name, hashes)


def flipped(hashes: np.ndarray, bits: int) -> np.ndarray:
    out = hashes.copy()
    out[:, :bits] = ~out[:, :bits]
    return out


def random_hashes(frames: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((frames, BITS)) < 0.5


def test_the_limit_of_bits_is_exact() -> None:
    one = random_hashes(4, 0)
    for bits, hits in ((0, 1), (MAX_BITS, 1), (MAX_BITS + 1, 0)):
        assert len(leaks.find([video("a", one)], [video("b", flipped(one, bits))])) == hits


def test_half_of_the_shorter_ones_seconds_must_match() -> None:
    long, other = random_hashes(10, 0), random_hashes(10, 1)
    for shared, hits in ((1, 0), (2, 1), (4, 1)):
        short = np.concatenate([long[:shared], other[: 4 - shared]])
        for train, test in ((long, short), (short, long)):
            found = leaks.find([video("a", train)], [video("b", test)])
            assert [leak.why for leak in found] == [f"{shared} of 4 seconds look alike"] * hits


def test_one_still_second_is_not_many() -> None:
    # ten equal seconds of the one match one second of the other: that is one of ten
    still = np.repeat(random_hashes(1, 0), 10, axis=0)
    moving = np.concatenate([still[:1], random_hashes(9, 1)])
    assert leaks.find([video("still", still)], [video("moving", moving)]) != []
    assert leaks.find([video("moving", moving)], [video("still", still)]) == []


def test_many_videos_are_compared_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "_BLOCK", 7)
    train = [video(f"a{n}", random_hashes(3, n)) for n in range(20)]
    test = [video(f"b{n}", random_hashes(3, 100 + n)) for n in range(20)]
    test[13] = video("b13", flipped(train[17].hashes, 10))
    test[4] = video("b4", test[4].hashes, sha256="a2")
    assert [(leak.train, leak.test) for leak in leaks.find(train, test)] == [
        ("a17", "b13"),
        ("a2", "b4"),
    ]
    assert leaks.find([], test) == leaks.find(train, []) == leaks.find([], []) == []
    empty = video("none", np.zeros((0, BITS), bool))
    assert leaks.find([empty], [empty])[0].why == "the same file"


def test_random_hashes_do_not_match() -> None:
    # of 4 million pairs of frames; a bit is a fair coin, so 38 of 256 is 11 deviations away
    train = [video(f"a{n}", random_hashes(10, n)) for n in range(200)]
    test = [video(f"b{n}", random_hashes(10, 1000 + n)) for n in range(200)]
    assert leaks.find(train, test) == []


def test_refusal_has_the_names() -> None:
    found = [leaks.Leak(f"lsvq/{n}", f"konvid_1k/{n}", "the same file") for n in range(7)]
    with pytest.raises(LeakError, match=r"7 pairs .* konvid_1k/0 is lsvq/0 .* and 2 more"):
        leaks.refuse(found, "results/leaks.csv")
    leaks.refuse([], "results/leaks.csv")


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "demo.csv"
    with pytest.raises(LeakError, match="run `lmm-vqa hashes demo`"):
        leaks.read(path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(LeakError, match="columns"):
        leaks.read(path)
    hashes = " ".join(np.packbits(row).tobytes().hex() for row in random_hashes(3, 0))
    rows = [["NA", "f" * 64, "test", "1", hashes], ["x", "0" * 64, "train", "1", ""]]
    pd.DataFrame(rows, columns=leaks.COLUMNS).to_csv(path, index=False)
    table = leaks.read(path)
    (test,) = leaks.seen(table, "demo", ("test",))
    assert test.name == "demo/NA" and np.array_equal(test.hashes, random_hashes(3, 0))
    (train,) = leaks.seen(table, "demo", ("train", "val"))
    assert train.hashes.shape == (0, BITS)
