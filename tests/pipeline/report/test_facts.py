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
