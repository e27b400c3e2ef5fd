from pathlib import Path

import pandas as pd
import pytest

from pipeline import layout, leaks, manifest
from pipeline.stages import hashes
from pipeline.survey import survey
from tests.clips import write_moving_video


def test_hashes_are_written_beside_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = [str(write_moving_video(Path("videos") / f"{n}.mp4", seed=n)) for n in range(3)]
    labels = pd.DataFrame({"video_id": ["0", "1", "2"], "path": paths, "mos": [1.0, 2, None]})
    labels = labels.assign(mos_raw=1.0, mos_source="human", split="test", content="")
    table = survey(labels.assign(impairment="", motion=""))
    manifest.write(layout.manifest("mine"), table)
    hashes.run("mine")
    found = leaks.read(layout.hashes("mine"))
    assert found["video_id"].tolist() == ["0", "1"]  # the third has no label to be tested on
    assert all(len(row.split()) == 2 for row in found["hashes"])
    first = layout.hashes("mine").read_bytes()
    hashes.run("mine")
    assert layout.hashes("mine").read_bytes() == first
