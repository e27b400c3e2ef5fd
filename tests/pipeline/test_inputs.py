from pathlib import Path

import pytest

from pipeline.inputs import InputError, videos


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "sub/b.webm", "sub/c.mkv", "sub/notes.pdf", "lists/d.mp4"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()


def test_files_folders_and_lists_each_video_once() -> None:
    Path("lists/some.txt").write_text("# mine\n\nd.mp4\na.mp4\ngone.mp4\n")
    found = videos([Path("sub"), Path("lists/some.txt"), Path("a.mp4")])
    names = ["sub/b.webm", "sub/c.mkv", "lists/d.mp4", "a.mp4", "gone.mp4"]
    assert [path.as_posix() for path in found] == names


def test_a_csv_needs_a_column_of_names() -> None:
    Path("t.csv").write_text("mos,filename\n3,a.mp4\n4,\n")
    assert videos([Path("t.csv")]) == [Path("a.mp4")]
    Path("t.csv").write_text("mos,name\n3,a.mp4\n")
    with pytest.raises(InputError, match=r"wanted one of the columns .* found \['mos', 'name'\]"):
        videos([Path("t.csv")])


@pytest.mark.parametrize("name", ["gone.mp4", "empty", "empty.txt", "latin.txt"])
def test_what_holds_no_video_is_refused(name: str) -> None:
    Path("empty").mkdir()
    Path("empty.txt").touch()
    Path("latin.txt").write_bytes(b"caf\xe9.mp4")
    with pytest.raises(InputError, match=name):
        videos([Path(name)])
