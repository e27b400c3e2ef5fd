import json
import logging
import shutil
from pathlib import Path

import h5py
import pandas as pd
import pytest

from llm_head import checkpoint, instruct, predictions
from llm_head.checkpoint import CheckpointError
from llm_head.data import token_names
from llm_head.tune import tune
from lmm_vqa import Failed, Scored, Scorer, ScoringError, VideoError
from pipeline import labels, manifest
from pipeline.cache import Kind, TokenCache
from pipeline.settings import DatasetSettings
from pipeline.survey import survey
from tests.llm_head.test_tune import make_config
from tests.tiny_model import SETTINGS, clip_table, make_caches

KINDS: tuple[Kind, ...] = ("spatial", "temporal")


@pytest.fixture(scope="module")
def scorer(tiny_model: Path) -> Scorer:
    return Scorer(tiny_model, device="cpu")


@pytest.fixture(scope="module")
def clips(tiny_model: Path) -> list[Path]:
    return sorted((tiny_model.parent / "clips").glob("*.mp4"))


def test_scores_are_those_of_stage_predict(
    tiny_model: Path, scorer: Scorer, clips: list[Path]
) -> None:
    caches = {kind: TokenCache(tiny_model.parent / "data/mine" / kind) for kind in KINDS}
    prints = {kind: cache.fingerprint for kind, cache in caches.items()}
    head = checkpoint.load(tiny_model, prints, "cpu")
    table = clip_table(tiny_model.parent / "again")
    rows = list(predictions.predict(head, table, caches))
    for row, found in zip(rows, scorer.scores(clips), strict=True):
        assert isinstance(found, Scored)
        mine = found.row()
        assert {name: mine[name] for name in mine if name in row} == {
            name: row[name] for name in row if name in mine
        }
    assert len({row["score"] for row in rows}) == len(rows)


@pytest.fixture(scope="module")
def other(
    tiny_model: Path, clips: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, pd.DataFrame]:
    """Return a head with cue, markers and pairs, and the manifest of its clips."""
    folder = tmp_path_factory.mktemp("other")
    files = labels.read_labels(DatasetSettings(root=clips[0].parent), seed=0)
    manifest.write(folder / "manifest.csv", survey(files))
    table = manifest.read(folder / "manifest.csv").assign(mos=[0, 20, 40, 60, 80, 99.0])
    table["split"] = ["train", "train", "val"] * 2
    caches = {kind: TokenCache(tiny_model.parent / "data/mine" / kind) for kind in KINDS}
    records = instruct.build(table, "mine", ["score", "level"], token_names(caches), seed=0)
    assert "64 x 48 pixels, 12 frames a second, " in records[0].cue
    asked = {"seconds": 4, "batch_size": 2, "cue": "text", "markers": True, "pairs": 0.5}
    config = make_config(tiny_model.parent, **asked)
    tuned = tune(records, {"mine": caches}, config, "cpu")
    encoders = {kind: found.model_dump(mode="json") for kind, found in SETTINGS.items()}
    prints = {kind: cache.fingerprint for kind, cache in caches.items()}
    checkpoint.save(folder / "model", tuned, config, prints, checkpoint.Origin(encoders))
    return folder / "model", table


def test_cue_and_markers_are_told_alike_from_a_manifest_and_from_a_file(
    tiny_model: Path, clips: list[Path], other: tuple[Path, pd.DataFrame]
) -> None:
    """The facts go through a manifest on the one side, and are probed anew on the other."""
    model, table = other
    caches = {kind: TokenCache(tiny_model.parent / "data/mine" / kind) for kind in KINDS}
    prints = {kind: cache.fingerprint for kind, cache in caches.items()}
    head = checkpoint.load(model, prints, "cpu")
    assert (head.shape.cue, head.shape.markers) == ("text", True)
    rows = list(predictions.predict(head, table, caches))
    scorer = Scorer(model, device="cpu")
    scored = [scorer.score(clip, timeline=True) for clip in clips]
    assert [found.row()["score"] for found in scored] == [row["score"] for row in rows]
    for found, seconds in zip(scored, predictions.timelines(head, table, caches), strict=True):
        assert [round(second.score, 4) for second in found.timeline] == [
            second["score"] for second in seconds
        ]
    # taught score and level only: it has no reason to give, but knows where it is worst
    assert (
        {row["impairment_answer"] for row in rows}
        == {row["motion_answer"] for row in rows}
        == {None}
    )
    assert {(found.answer.impairment, found.answer.motion) for found in scored} == {(None, None)}
    assert all(found.reason.startswith(("No second", "Worst from")) for found in scored)
    assert scorer.score(clips[0]).row()["reason"] == ""
    untold = predictions.predict(head, table.assign(fps=30.0, size_bytes=10_000_000), caches)
    assert [row["score"] for row in untold] != [row["score"] for row in rows]


def test_two_videos_are_seen_together_by_a_head_that_has_learned_from_pairs(
    scorer: Scorer, clips: list[Path], other: tuple[Path, pd.DataFrame]
) -> None:
    learned = Scorer(other[0], device="cpu")
    found, mirrored = learned.compare(clips[0], clips[1]), learned.compare(clips[1], clips[0])
    assert found.together and found == learned.compare(clips[0], clips[1])
    assert mirrored.a_better == 1 - found.a_better and mirrored.difference == -found.difference
    assert not scorer.compare(clips[0], clips[1]).together


def test_a_row_is_plain_json_and_its_timeline_says_where(scorer: Scorer, clips: list[Path]) -> None:
    row = scorer.score(clips[0], timeline=True).row()
    assert json.loads(json.dumps(row)) == row
    assert [second["start_s"] for second in row["timeline"]] == [0, 1]
    assert row["reason"].startswith(("Clearly", "Probably", "Perhaps"))
    assert scorer.score(clips[0]).row()["timeline"] == []


def test_what_cannot_be_read_is_said_and_the_rest_is_scored(
    scorer: Scorer, clips: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    found = list(scorer.scores([clips[0], tmp_path / "text.mp4", tmp_path / "gone.mp4", clips[1]]))
    assert [type(each) for each in found] == [Scored, Failed, Failed, Scored]
    assert "text.mp4: not a video" in found[1].error
    assert "gone.mp4: no such file" in found[2].error
    with pytest.raises(VideoError, match="no such file"):
        scorer.score(tmp_path / "gone.mp4")


def test_a_cache_is_filled_used_and_shared(
    tiny_model: Path, clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Scorer(tiny_model, device="cpu", cache=tmp_path / "cache").score(clips[0])
    files = sorted((tmp_path / "cache").rglob("*.h5"))
    assert [file.stem for file in files] == [first.sha256] * 2

    def never(*_: object) -> None:
        raise AssertionError("encoded again")

    copy = shutil.copy(clips[0], tmp_path / "same content.mp4")
    monkeypatch.setattr("pipeline.file_tokens.encode_video", never)
    monkeypatch.setattr("pipeline.file_tokens.encoder", never)  # not even built
    again = Scorer(tiny_model, device="cpu", cache=tmp_path / "cache").score(copy)
    assert again.answer == first.answer
    files[0].write_bytes(files[0].read_bytes()[:-100])
    with pytest.raises(AssertionError, match="encoded again"):
        Scorer(tiny_model, device="cpu", cache=tmp_path / "cache").score(copy)


def test_a_model_folder_alone_is_enough_anywhere(
    tiny_model: Path, scorer: Scorer, clips: list[Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    shutil.copytree(tiny_model, tmp_path / "away/model")
    monkeypatch.chdir(tmp_path)
    assert (
        Scorer("away/model", device="cpu").score(clips[0]).answer == scorer.score(clips[0]).answer
    )


def edited(tiny_model: Path, folder: Path, **changes: object) -> Path:
    shutil.copytree(tiny_model, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    return folder


def test_an_encoder_that_is_another_is_refused(
    tiny_model: Path, clips: list[Path], tmp_path: Path
) -> None:
    encoders = json.loads((tiny_model / "config.json").read_text())["encoders"]
    encoders["spatial"]["size_px"] = 48
    model = edited(tiny_model, tmp_path / "other", encoders=encoders)
    with pytest.raises(CheckpointError, match="size_px 32 then, 48 now"):
        Scorer(model, device="cpu").score(clips[0])
    encoders["spatial"]["size_px"] = "large"
    model = edited(tiny_model, tmp_path / "wrong", encoders=encoders)
    with pytest.raises(ScoringError, match=r"encoders\.spatial of config\.json"):
        Scorer(model, device="cpu").score(clips[0])


def test_weights_that_are_not_there_are_named(
    tiny_model: Path, clips: list[Path], tmp_path: Path
) -> None:
    encoders = json.loads((tiny_model / "config.json").read_text())["encoders"]
    encoders["temporal"]["pretrained"] = "data/weights/temporal/none_such.safetensors"
    model = edited(tiny_model, tmp_path / "model", encoders=encoders)
    with pytest.raises(ScoringError, match=r"none_such\.safetensors, are neither .* model pack"):
        Scorer(model, device="cpu").score(clips[0])


def test_an_older_checkpoint_takes_the_settings_of_its_project(
    tiny_model: Path, clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoders = json.loads((tiny_model / "config.json").read_text())["encoders"]
    model = edited(tiny_model, tmp_path / "model", encoders={})
    monkeypatch.chdir(tmp_path)
    scorer = Scorer(model, device="cpu")
    with pytest.raises(ScoringError, match=r"no params\.yaml here"):
        scorer.score(clips[0])
    params = (Path(__file__).parents[2] / "params.yaml").read_text()
    head, _, rest = params.partition("\nspatial:\n")
    after = rest[rest.index("\ninstruct:") :]
    sections = f"\nspatial: {json.dumps(encoders['spatial'])}"
    sections += f"\ntemporal: {json.dumps(encoders['temporal'])}\n"
    Path("params.yaml").write_text(head + sections + after)
    assert 0 <= scorer.score(clips[0]).score <= 100


def test_random_and_substitute_encoders_are_said_once(
    tiny_model: Path, clips: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        scorer = Scorer(tiny_model, device="cpu")
        list(scorer.scores(clips[:2]))
    said = [record.getMessage() for record in caplog.records]
    assert sum("random weights" in line for line in said) == 1
    assert sum("efficientnet_lite0 instead of ViT-L-14" in line for line in said) == 1


def test_no_checkpoint_is_a_kind_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        Scorer(tmp_path)


def test_tokens_do_not_depend_on_who_encodes(tiny_model: Path, tmp_path: Path) -> None:
    table = clip_table(tmp_path / "clips", count=2)
    mine = make_caches(tmp_path / "cache", table)
    kept = Scorer(tiny_model, device="cpu", cache=tmp_path / "kept")
    for path, digest, name in zip(table["path"], table["sha256"], table["video_id"], strict=True):
        kept.score(path)
        for kind in KINDS:
            (file,) = (tmp_path / "kept").glob(f"{kind}-*/{digest}.h5")
            with h5py.File(file) as found:
                assert (found["tokens"][()] == mine[kind].read(name).tokens).all()
