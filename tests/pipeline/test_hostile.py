"""Hostile videos, names, tables and settings: nothing else is opened, and nothing large is made."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from encoders.weights import EncoderError, read_state_dict
from pipeline import manifest, tables
from pipeline.cache import FAILURES, TokenCache, token_file
from pipeline.encode import Target
from pipeline.extract import ExtractError, extract
from pipeline.labels import ManifestError, read_labels
from pipeline.settings import DatasetSettings, ParamsError, RunSettings, SpatialSettings, load
from pipeline.survey import survey
from tests import hostile
from tests.clips import write_moving_video

READ = """
import json, resource, sys
from pathlib import Path
from pipeline.video import VideoError, chunks, probe
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, said = peak(), {}
for path in map(Path, sys.argv[1:]):
    for read in (probe, lambda p: list(chunks(p, 2))):
        try:
            read(path)
            said.setdefault(path.name, "read")
        except VideoError as error:
            said[path.name] = str(error)
print(json.dumps({"said": said, "grown_mb": peak() - before}))
"""
# What FFmpeg does with the same files when nobody tells it not to.
READ_CARELESSLY = """
import av, sys
for path in sys.argv[1:]:
    options = {"enable_drefs": "1", "use_absolute_path": "1", "safe": "0",
               "protocol_whitelist": "file,crypto,data,concat,http,tcp,rtp,udp",
               "allowed_extensions": "ALL", "extension_picky": "0"}
    try:
        with av.open(path, options=options, timeout=2) as container:
            next(container.decode(video=0))
    except Exception:
        pass
"""


def calls(code: str, paths: list[Path], log: Path) -> tuple[list[str], str]:
    """Run code under strace; return its system calls that open files or sockets, and its output."""
    command = ["strace", "-f", "-qq", "-e", "trace=open,openat,openat2,socket,connect", "-o", log]
    done = subprocess.run(
        [*map(str, command), sys.executable, "-c", code, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return log.read_text(errors="replace").splitlines(), done.stdout


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_script_opens_neither_another_file_nor_a_connection(tmp_path: Path) -> None:
    secret = write_moving_video(tmp_path / "secret.mp4")
    paths = hostile.scripts(tmp_path, secret)
    careless, _ = calls(READ_CARELESSLY, paths, tmp_path / "careless.txt")
    assert any("secret.mp4" in line for line in careless)  # the files do name it
    assert any("connect(" in line for line in careless)
    ours, output = calls(READ, paths, tmp_path / "ours.txt")
    said = json.loads(output)["said"]
    assert set(said) == {path.name for path in paths}
    assert all(reason != "read" for reason in said.values()), said
    assert sum("/hls.m3u8" in line for line in ours) >= 2  # it was seen, and only itself
    assert not [line for line in ours if "secret.mp4" in line]
    assert not [line for line in ours if "AF_INET" in line]


@pytest.mark.slow
def test_headers_that_claim_a_great_deal_take_no_memory(tmp_path: Path) -> None:
    paths = hostile.bombs(tmp_path)
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", READ, *map(str, paths)], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert set(found["said"]) == {path.name for path in paths}
    assert found["grown_mb"] < 100, found
    assert time.monotonic() - started < 30
    for name in ("wide.gif", "large.gif", "jpeg.avi", "sizes.mkv", "samples.mp4", "chunks.mp4"):
        assert found["said"][name] != "read"


NAMES = [
    b"line\nend",
    b"return\rhere",
    b"-rf",
    b"--help",
    b"a..",
    b"%2e%2e%2f",
    b"caf\xe9 \xff\xfe",
    b'quote"d, and; $(touch harm) `touch harm`',
    b"\x1b[31mred",
    "\u202egnp".encode(),
    b" spaces ",
    b"concat:a|b",
    b"n" * 250,
    b"=1+1",
]


@pytest.mark.slow
def test_strange_names_go_through_all_the_way(tmp_path: Path) -> None:
    root, target = os.fsencode(tmp_path / "in"), tmp_path / "spatial"
    source = write_moving_video(tmp_path / "film.mp4", seconds=0.5)
    os.mkdir(root)
    for name in NAMES:
        shutil.copy(source, os.fsdecode(root + b"/" + name + b".mp4"))
    deep = Path(os.fsdecode(root)) / ("d" * 200) / ("e" * 200)  # an id of 400 letters and more
    deep.mkdir(parents=True)
    shutil.copy(source, deep / "f.mp4")
    Path(os.fsdecode(root + b"/bad\n\xff.mp4")).write_bytes(b"not a video" * 20)

    path = tmp_path / "manifest.csv"
    manifest.write(path, survey(read_labels(DatasetSettings(root=tmp_path / "in"), seed=0)))
    table = manifest.read(path)
    assert len(table) == len(NAMES) + 2
    assert all(Path(p).is_file() for p in table["path"])
    assert all(video_id.isprintable() or " " in video_id for video_id in table["video_id"])

    settings = SpatialSettings(
        model="efficientnet_lite0",
        pretrained="random",
        layers=(1,),
        grid=1,
        frame="crops",
        size_px=32,
    )
    with pytest.raises(ExtractError, match=f"1 of {len(NAMES) + 2} videos failed"):
        extract(table, (Target(settings, target),), RunSettings(scheduler="none", device="cpu"))
    cache = TokenCache(target)
    assert len(cache.videos) == len(NAMES) + 1
    for video_id in cache.videos:
        assert len(cache.read(video_id).tokens) == 1
        assert token_file(target, video_id).resolve().is_relative_to(target.resolve())
    assert r"bad\n\xff" in (target / FAILURES).read_text(encoding="utf-8")
    assert not [p for p in tmp_path.rglob("*") if p.name == "harm"]


@pytest.mark.parametrize("name", ["../out.mp4", "/etc/passwd", "a/../../out", "..", "\u0000"])
def test_a_label_table_reaches_no_file_outside_its_folder(tmp_path: Path, name: str) -> None:
    write_moving_video(tmp_path / "out.mp4", seconds=0.5)
    write_moving_video(tmp_path / "in/a.mp4", seconds=0.5)
    (tmp_path / "in/labels.csv").write_text(f"filename,mos\na.mp4,5\n{name},5\n")
    with pytest.raises(ManifestError, match=r"no such video|zero bytes"):
        read_labels(DatasetSettings(root=tmp_path / "in", labels=Path("labels.csv")), seed=0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (",".join(f"c{i}" for i in range(100_000)) + "\n1\n", "over 1000 columns"),
        ("filename,mos\n" + "a" * 5_000_000 + ",5\n", "line 2 is over 1,000,000 bytes"),
        ("a" * 5_000_000, "line 1 is over"),
        ("filename,mos\na\0.mp4,5\n", "zero bytes"),
        ('filename,mos\n"a,5\n' + "b,6\n" * 200_000, "EOF inside string"),
        ("filename,mos\n" + "a,5\n" * 10 + "a,5,6,7\n", "not a CSV table"),
    ],
)
def test_table_bombs_end_quickly_in_an_error(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    started = time.monotonic()
    with pytest.raises(tables.TableError, match=said):
        tables.read_csv(tmp_path / "t.csv")
    with pytest.raises(ManifestError):
        manifest.read(tmp_path / "t.csv")
    assert time.monotonic() - started < 5


LAUGHS = "a: &a [lol]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAUGHS, "80 aliases"),
        ("seed: &s [*s]\n" * 1, "wrong settings|not valid YAML"),
        ("seed: " + "[" * 40_000, "over 1000 brackets"),
        ("seed: " + "[" * 900 + "]" * 900, "nested too deeply|wrong settings"),
        ("".join(" " * n + "a:\n" for n in range(400)), "nested too deeply|wrong settings"),
        ("seed: 1\n" * 20_000, "over 100 kB"),
        ("seed: !!python/object/apply:os.system [touch harm]\n", "not valid YAML"),
        ("\x00\x01", "not valid YAML"),
        ("seed: " + "x" * 90_000, "wrong settings"),
    ],
)
def test_settings_bombs_end_quickly_in_a_short_error(
    tmp_path: Path, text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(text)
    started = time.monotonic()
    with pytest.raises(ParamsError, match=said) as caught:
        load(tmp_path / "params.yaml")
    assert time.monotonic() - started < 10
    assert len(str(caught.value)) < 5000
    assert not (tmp_path / "harm").exists()


def test_a_link_in_the_folder_that_leads_round_is_no_loop(
    tmp_path: Path, moving_video: Callable[..., Path]
) -> None:
    moving_video("in/a.mp4", seconds=0.5)
    (tmp_path / "in/round").symlink_to(tmp_path / "in")
    (tmp_path / "in/gone.mp4").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "in/pipe.mp4")  # to open it would wait for ever
    table = read_labels(DatasetSettings(root=tmp_path / "in"), seed=0)
    assert list(table["video_id"]) == ["a"]


def test_weights_that_claim_a_great_deal_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    header = b'{"a":{"dtype":"F32","shape":[1000000000,1000000],"data_offsets":[0,4]}}'
    for content in (
        (1 << 60).to_bytes(8, "little") + b"{}",
        len(header).to_bytes(8, "little") + header + bytes(4),
        b"\xff" * 64,
    ):
        path.write_bytes(content)
        with pytest.raises(EncoderError, match="not a file of weights"):
            read_state_dict(path)
