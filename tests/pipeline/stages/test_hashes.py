from pathlib import Path

import pandas as pd
import pytest

from pipeline import layout, leaks, manifest
from pipeline.stages import hashes
from tests.clips import write_moving_video
from tests.synthetic import make_params


def test_hashes_are_written_beside_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = [str(write_moving_video(Path("videos") / f"{n}.mp4", seed=n)) for n in range(3)]
    table = pd.DataFrame({"video_id": ["0", "1", "2"], "path": paths, "mos": [1.0, 2, None]})
    table = table.assign(sha256=[c * 64 for c in "abc"], split="test")
    manifest.write(layout.manifest("mine"), table.reindex(columns=list(manifest.COLUMNS)))
    params = make_params("llm")
    hashes.run(params, "mine")
    found = leaks.read(layout.hashes("mine"))
    assert found["video_id"].tolist() == ["0", "1"]  # the third has no label to be tested on
    assert all(len(row.split()) == 2 for row in found["hashes"])
    first = layout.hashes("mine").read_bytes()
    hashes.run(params, "mine")
    assert layout.hashes("mine").read_bytes() == first
