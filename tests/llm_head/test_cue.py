from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from llm_head import instruct
from llm_head.cue import cue
from tests.synthetic import make_manifest

FACTS = {"width": 3840, "height": 2160, "fps": 59.94, "duration_s": 10.0, "size_bytes": 25_000_000}
SAID = "3840 x 2160 pixels, 59.94 frames a second, 20000 kbit a second."


@pytest.mark.parametrize(
    ("unknown", "said"),
    [
        ((), SAID),
        (("width",), "59.94 frames a second, 20000 kbit a second."),
        (("fps", "size_bytes"), "3840 x 2160 pixels."),
        (("duration_s",), "3840 x 2160 pixels, 59.94 frames a second."),
        (tuple(FACTS), ""),
    ],
)
@pytest.mark.parametrize("nothing", [0, np.nan, None, pd.NA])
def test_only_what_is_known_is_said(unknown: tuple[str, ...], said: str, nothing: object) -> None:
    assert cue(FACTS | dict.fromkeys(unknown, nothing)) == said


def test_every_record_of_a_video_carries_it() -> None:
    table = make_manifest(2).assign(**FACTS)
    records = instruct.build(table, "d", ["score", "level"], {"v0": "", "v1": ""}, seed=0)
    assert {record.cue for record in records} == {SAID}


def test_it_survives_the_file(tmp_path: Path) -> None:
    table = make_manifest(2).assign(**FACTS)
    records = instruct.build(table, "d", ["level"], {"v0": "a", "v1": "b"}, seed=0)
    (tmp_path / "d.jsonl").write_text(instruct.to_jsonl(records))
    assert instruct.read(tmp_path / "d.jsonl", "d") == records
