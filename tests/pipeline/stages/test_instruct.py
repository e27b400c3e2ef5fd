from pathlib import Path

import pytest

from llm_head.instruct import read
from pipeline import layout, manifest
from pipeline.stages import instruct
from tests.synthetic import make_caches, make_manifest, make_params


def test_instruct_writes_records_of_the_tasks_in_params(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = make_manifest(6)
    manifest.write(layout.manifest("syn"), table)
    make_caches(layout.cache("syn", "spatial").parent, table[:-1])
    instruct.run(make_params("llm"), "syn")
    first = layout.instructions("syn").read_bytes()
    records = read(layout.instructions("syn"), "syn")
    assert {record.task for record in records} == {"score", "level", "impairment", "motion"}
    assert len(records) == 20
    instruct.run(make_params("llm"), "syn")
    assert layout.instructions("syn").read_bytes() == first


def test_a_data_set_without_labels_has_no_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = make_manifest(2).assign(mos=float("nan"), impairment="", motion="")
    manifest.write(layout.manifest("syn"), table)
    make_caches(layout.cache("syn", "spatial").parent, make_manifest(2))
    instruct.run(make_params("llm"), "syn")
    assert read(layout.instructions("syn"), "syn") == []
