from collections import Counter
from pathlib import Path
from random import Random

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from llm_head.conversations import read
from pipeline import questions
from pipeline.demo import motion, motion_questions
from pipeline.demo.make import DemoError
from pipeline.demo.motion import CAMERA, PICTURE, Clip, Still
from pipeline.demo.motion_make import make

CLIPS = motion.plan(motion.stills(99), seed=0)


def test_every_picture_is_filmed_in_each_way_and_half_of_what_moves_freezes() -> None:
    by_picture = Counter(clip.still.name for clip in CLIPS)
    assert set(by_picture.values()) == {len(CAMERA)} and len(by_picture) > 30
    assert len({clip.name for clip in CLIPS}) == len(CLIPS)
    for name in by_picture:
        frozen = [clip for clip in CLIPS if clip.still.name == name and clip.frozen]
        assert len(frozen) == 3 and all(clip.move != "still" for clip in frozen)


def test_no_scene_is_in_two_splits_and_each_split_has_film_and_photographs() -> None:
    splits = {(clip.still.scene, clip.split) for clip in CLIPS}
    assert len(splits) == len({scene for scene, _ in splits})
    for split in ("train", "val", "test"):
        assert {c.still.at_s is None for c in CLIPS if c.split == split} == {True, False}


def test_a_freeze_lasts_within_a_second_and_jumps_back() -> None:
    per_second = int(PICTURE.fps)
    for clip in CLIPS:
        held = [i for i, shown in enumerate(clip.order) if shown != i]
        assert bool(held) == clip.frozen
        if held:
            assert 0.4 <= len(held) / per_second <= 0.71
            assert held[0] // per_second == held[-1] // per_second
            assert held[0] % per_second > 1 and held[-1] % per_second < per_second - 1


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Clip]]:
    """Make clips of a picture with a bright blob in its middle."""
    folder = tmp_path_factory.mktemp("motion")
    (folder / "footage").mkdir()
    y, x = np.mgrid[0:270, 0:480]
    blob = 255 * np.exp(-((x - 240) ** 2 + (y - 135) ** 2) / 30**2)
    picture = av.VideoFrame.from_ndarray(np.stack([blob.astype(np.uint8)] * 3, axis=2))
    picture.to_image().save(folder / "footage/blob.png")
    still = Still("blob.png", "blob", None)
    order = tuple(range(PICTURE.frames))
    frozen = tuple(10 if 10 < i <= 24 else i for i in order)
    clips = [
        Clip(still, "train" if move != "in" else "test", move, motion.path(move, Random(1)),
             move == "left", frozen if move == "left" else order)
        for move in ("left", "down", "in")
    ]  # fmt: skip
    make(clips, folder / "footage", folder / "made", workers=1)
    return folder / "made", clips


def blobs(path: Path) -> NDArray[np.float64]:
    """Return the blob's place x, y and its size in each frame."""
    found = []
    with av.open(path) as container:
        for frame in container.decode(video=0):
            luma = frame.to_ndarray(format="gray").astype(float)
            weight = np.where(luma > 60, luma, 0)
            y, x = np.mgrid[0 : luma.shape[0], 0 : luma.shape[1]]
            centre = [(weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()]
            found.append([*centre, (weight > 0).sum() ** 0.5])
    return np.array(found)


def test_what_is_seen_moves_against_the_camera(made: tuple[Path, list[Clip]]) -> None:
    root, _ = made
    left, down, nearer = (blobs(root / f"clips/blob_{move}.mp4") for move in ("left", "down", "in"))
    assert len(left) == len(down) == len(nearer) == PICTURE.frames
    assert left[-1, 0] - left[0, 0] > 0.2 * PICTURE.width  # the camera goes left, the blob right
    assert abs(left[-1, 1] - left[0, 1]) < 2
    assert down[0, 1] - down[-1, 1] > 0.2 * PICTURE.height
    assert abs(down[-1, 0] - down[0, 0]) < 2
    assert nearer[-1, 2] > 1.2 * nearer[0, 2]
    assert np.allclose(left[11:25, 0], left[10, 0], atol=0.5)  # frozen, then it jumps
    assert left[25, 0] - left[24, 0] > 5 * (left[30, 0] - left[29, 0])


def test_conversations_and_questions_are_read_as_those_of_others(
    made: tuple[Path, list[Clip]],
) -> None:
    root, clips = made
    ids = {f"clips/{clip.name}": clip.split for clip in clips}
    tokens = dict.fromkeys(ids, "t")
    records, left_out = read(
        root / "conversations.json", "demo_motion", questions.finder(ids), ids, tokens, tokens
    )
    assert left_out == 0 and {record.split for record in records} == {"train"}
    told = {(r.video, r.task): r.conversations[1].value for r in records}
    assert told["clips/blob_left", "camera"] == "It pans left."
    assert told["clips/blob_left", "freeze"] == "It freezes."
    assert told["clips/blob_down", "light"] == "The picture is dark."
    assert all(record.conversations[1].value in record.choices for record in records)
    asked = questions.read(root / "questions", "mvbench")
    assert {question.kind for question in asked} == set(motion_questions.KINDS)
    assert questions.matched(asked, ids) == dict.fromkeys((q.id for q in asked), "clips/blob_in")
    answers = {question.kind: question.answer for question in asked}
    assert answers["camera"] == "It zooms in." and answers["medium"] == "It is a photograph."


def test_without_footage_it_says_which_stage_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="run stage footage first"):
        make(CLIPS[:1], tmp_path, tmp_path / "made", workers=1)
