from pathlib import Path

import pytest

from llm_head import instruct
from pipeline import layout
from pipeline.settings import Params
from pipeline.stages import conversations
from tests.pipeline.stages.test_answer import CHOICES, project  # noqa: F401


def test_conversations_take_splits_and_tokens_from_the_data_set(
    project: Params,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    conversations.run(project, "syn")
    records = instruct.read(layout.conversations("syn"), "syn")
    assert len(records) == 48 and {r.split for r in records} == {"train", "val", "test"}
    assert all(record.tokens and record.choices == tuple(CHOICES) for record in records)
    before = layout.conversations("syn").read_bytes()
    conversations.run(project, "syn")
    assert layout.conversations("syn").read_bytes() == before
    assert Path("data/instruct").is_dir()
