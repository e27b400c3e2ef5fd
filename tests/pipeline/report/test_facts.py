import base64
import io
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.cache import FAILURES, Tokens, token_file, write_index, write_tokens
from pipeline.report import facts

FINGERPRINT = {"model": "tiny", "weights_sha256": "c0ffee", "random": True}


def test_cache_facts(tmp_path: Path) -> None:
    folder = tmp_path / "demo" / "spatial"
    for name, chunks in (("a", 3), ("b/c", 5)):
        tokens = Tokens(np.zeros((chunks, 4, 8), np.float16), np.arange(float(chunks)))
        write_tokens(token_file(folder, name), tokens, FINGERPRINT, "0" * 64)
    write_index(folder, FINGERPRINT, {"a": "0" * 64, "b/c": "0" * 64})
    (folder / FAILURES).write_text("video_id,path,stage,reason\nd,d.mp4,spatial,no video\n")
    found = facts.cache_facts(folder, "spatial")
    assert (found.dataset, found.kind, found.problem) == ("demo", "spatial", "")
    assert (found.videos, found.failed, found.chunks, found.shape) == (2, 1, 8, "4 x 8")
    assert (found.encoder, found.weights_sha256, found.random) == ("tiny", "c0ffee", True)
    assert found.size_bytes == sum(p.stat().st_size for p in folder.rglob("*.h5"))

    token_file(folder, "a").write_bytes(b"no HDF5")
    assert facts.cache_facts(folder, "spatial").problem
    token_file(folder, "a").unlink()
    assert facts.cache_facts(folder, "spatial").problem


def test_worst_misses_come_first_and_a_lost_video_says_so() -> None:
    table = pd.DataFrame(
        {
            "video_id": ["near", "far", "train", "unlabelled", "b", "a"],
            "split": ["test", "test", "train", "test", "test", "test"],
            "mos": [50, 10, 0, np.nan, 50, 50],
            "score": [51, 90, 100, 3, 55, 45],
            "impairment": "",
        }
    )
    found = facts.worst_misses(table, {"far": Path("nowhere.mp4")}, 3)
    assert [miss.video_id for miss in found] == ["far", "a", "b"]
    assert found[0].image == "" and "no such file" in found[0].problem
    assert found[1].problem == "not in the manifest"


def test_thumbnails_are_small_jpegs(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = np.full((1080, 1920, 3), (200, 30, 30), np.uint8)
    monkeypatch.setattr(facts, "first_frame", lambda path: frame)
    table = pd.DataFrame(
        {"video_id": ["a"], "split": "test", "mos": [1.0], "score": [2.0], "impairment": ""}
    )
    (miss,) = facts.worst_misses(table, {"a": Path("a.mp4")}, 5)
    head, data = miss.image.split(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (240, 135) and image.format == "JPEG"


def test_pictures_of_the_scatter_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = np.full((90, 160, 3), 80, np.uint8)
    monkeypatch.setattr(facts, "first_frame", lambda path: frame)
    there = tmp_path / "data" / "odd: name?#1.mp4"
    there.parent.mkdir()
    there.touch()
    table = pd.DataFrame(
        {
            "video_id": ["a", "b", "c", "d", "e"],
            "split": ["test", "test", "test", "train", "test"],
            "mos": [1.0, 2, 3, 4, np.nan],
            "score": 5.0,
        }
    )
    page = tmp_path / "results" / "report.html"
    paths = {"a": there, "b": tmp_path / "gone.mp4"}
    found = facts.pictures(table, paths, 10, page)
    assert list(found) == ["a", "b", "c"]
    assert found["a"].link == "../data/odd%3A%20name%3F%231.mp4"  # a name stays a name
    assert found["a"].image.startswith("data:image/jpeg;base64,")
    assert found["b"].link == "" and found["c"] == facts.Picture("", "")
    assert list(facts.pictures(table, paths, 2, page)) == ["a", "c"]


def test_data_facts() -> None:
    rows = pd.DataFrame(
        {
            "mos": [1.0, 2, 3, np.nan],
            "split": ["train", "test", "test", "val"],
            "content": ["a", "b", "b", ""],
            "duration_s": [30.0, 30, 60, np.nan],
            "width": [640, 640, 1920, np.nan],
            "height": [360, 360, 1080, np.nan],
            "fps": [29.97, 30, 25, 0],
            "codec": ["h264", "h264", "vp9", ""],
        }
    )
    found = facts.data_facts("mine", rows)
    assert (found.videos, found.contents, found.minutes, found.splits) == (4, 2, 2.0, (1, 0, 2))
    assert found.sizes == "640x360 (2), 1920x1080 (1)"
    assert found.rates == "30 (2), 25 (1)" and found.codecs == "h264 (2), vp9 (1)"


def test_versions_name_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "PACKAGES", ("numpy", "no-such-package-here"))
    found = facts.versions()
    assert found["numpy"] == np.__version__
    assert found["no-such-package-here"] == "not installed"


def test_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert facts.git_commit() == ""
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", *identity, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    assert len(facts.git_commit()) == 40
    monkeypatch.setenv("PATH", "")
    assert facts.git_commit() == ""
