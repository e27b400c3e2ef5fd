"""Hashes of real files, and leaks planted among them."""

import hashlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from llm_head.questions import CLOSED
from pipeline import leaks, manifest
from pipeline.hashes import frame_hash, hash_table
from pipeline.settings import RunSettings
from tests.clips import write_video

SIZE = (192, 128)
RUN = RunSettings()


def scene(seed: int, seconds: int = 3, offset_s: float = 0.0) -> list[np.ndarray]:
    """Return frames of a slow pan over a made-up landscape of soft shapes."""
    rng = np.random.default_rng(seed)
    noise = Image.fromarray(rng.integers(0, 255, (40, 60, 3), np.uint8), "RGB")
    picture = noise.resize((480, 320), Image.Resampling.BICUBIC).filter(ImageFilter.BoxBlur(6))
    array = np.asarray(picture).astype(np.float64)
    array = np.clip((array - array.mean()) * 4 + 128, 0, 255).astype(np.uint8)
    starts = [round(2 * (n + 12 * offset_s)) for n in range(12 * seconds)]
    return [np.ascontiguousarray(array[80 : 80 + SIZE[1], at : at + SIZE[0]]) for at in starts]


def write(path: Path, frames: list[np.ndarray]) -> Path:
    return write_video(path, frames, [Fraction(n, 12) for n in range(len(frames))])


def reencode(source: Path, path: Path, size: tuple[int, int], codec: str, rate: int) -> Path:
    """Write another version of a file: other size, other codec, few bits."""
    with av.open(str(source)) as opened:
        frames = [f.to_image().resize(size) for f in opened.decode(video=0)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=12)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.bit_rate = rate
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())
    return path


def made(paths: dict[str, tuple[Path, str]]) -> pd.DataFrame:
    """Return the hash table of files, by id with their split."""
    files = [path for path, _ in paths.values()]
    table = pd.DataFrame(
        {
            **{"video_id": list(paths), "path": list(map(str, files)), "mos": 50.0},
            **{"split": [split for _, split in paths.values()], **dict.fromkeys(CLOSED, "")},
            "sha256": [hashlib.sha256(path.read_bytes()).hexdigest() for path in files],
        }
    )
    return hash_table(table, pd.DataFrame(columns=leaks.COLUMNS), RUN)


def found(table: pd.DataFrame) -> list[tuple[str, str, str]]:
    pairs = leaks.find(leaks.seen(table, "a", ("train", "val")), leaks.seen(table, "a", ("test",)))
    return [(pair.train, pair.test, pair.why) for pair in pairs]


def test_a_planted_duplicate_is_found_however_it_was_encoded(tmp_path: Path) -> None:
    films = [write(tmp_path / f"film{seed}.mp4", scene(seed)) for seed in range(6)]
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(films[0].read_bytes())
    small = reencode(films[1], tmp_path / "small.avi", (96, 64), "mpeg4", 60_000)
    squashed = reencode(films[2], tmp_path / "squashed.webm", (160, 160), "libvpx", 120_000)
    cut = write(tmp_path / "cut.mp4", scene(3, seconds=1, offset_s=1))  # one second out of it
    table = made(
        {
            **{f"film{n}": (path, "train" if n % 2 else "val") for n, path in enumerate(films)},
            "copy": (copy, "test"),
            "small": (small, "test"),
            "squashed": (squashed, "test"),
            "cut": (cut, "test"),
            "other": (write(tmp_path / "other.mp4", scene(77)), "test"),
        }
    )
    assert found(table) == [
        ("a/film0", "a/copy", "the same file"),
        ("a/film1", "a/small", "3 of 3 seconds look alike"),
        ("a/film2", "a/squashed", "3 of 3 seconds look alike"),
        ("a/film3", "a/cut", "1 of 1 seconds look alike"),
    ]


def test_different_films_are_not_alike(tmp_path: Path) -> None:
    films = {n: write(tmp_path / f"{n}.mp4", scene(n)) for n in range(12)}
    table = made({f"film{n}": (films[n], "train" if n % 2 else "test") for n in films})
    assert found(table) == []


def test_impaired_versions_on_one_side_are_no_leak(tmp_path: Path) -> None:
    film = write(tmp_path / "film.mp4", scene(1))
    poor = reencode(film, tmp_path / "poor.avi", (96, 64), "mpeg4", 30_000)
    other = write(tmp_path / "other.mp4", scene(2))
    table = made({"film": (film, "train"), "poor": (poor, "train"), "other": (other, "test")})
    assert found(table) == []


def test_flat_frames_have_no_hash_and_match_nothing(tmp_path: Path) -> None:
    black = np.zeros((64, 64, 3), np.uint8)
    assert frame_hash(black) == frame_hash(black + 200) == ""
    dark = write(tmp_path / "dark.mp4", [black] * 24)
    grey = write(tmp_path / "grey.mp4", [black + 90] * 24)
    table = made({"dark": (dark, "train"), "grey": (grey, "test")})
    assert table["hashes"].tolist() == ["", ""] and found(table) == []


def test_only_new_videos_are_decoded_and_broken_ones_keep_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = write(tmp_path / "film.mp4", scene(0))
    first = made({"film": (film, "train")})
    assert len(first["hashes"][0].split()) == 3
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"junk" * 50)
    table = first.assign(path=str(film), **dict.fromkeys(CLOSED, ""), mos=1.0)
    more = pd.concat([table, table.assign(video_id="broken", path=str(broken), sha256="b" * 64)])
    table_of_all = hash_table(more, first, RUN)
    assert table_of_all["hashes"].tolist() == [first["hashes"][0], ""]

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr("pipeline.decoder.Decoder.chunks", refuse)
    assert hash_table(table, table_of_all, RUN)["hashes"].tolist() == first["hashes"].tolist()
    with pytest.raises(AssertionError, match="decoded again"):
        hash_table(more, table_of_all, RUN)  # what failed may have had a passing cause
    with pytest.raises(AssertionError, match="decoded again"):
        hash_table(table, table_of_all.assign(version="0"), RUN)  # of other code
    unlabelled = more.assign(mos=np.nan)
    assert hash_table(unlabelled, table_of_all, RUN).empty


def test_columns_of_a_manifest_are_enough() -> None:
    assert {"video_id", "path", "sha256", "split", "mos"} <= set(manifest.COLUMNS)
