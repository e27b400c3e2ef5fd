"""Mutants of real files: no crash, no hang, no wrong success; `python -m tests.mutants` counts."""

import io
import pickle
import string
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from encoders.weights import EncoderError, read_state_dict
from pipeline import manifest
from pipeline.cache import SCHEMA
from pipeline.labels import ManifestError, read_labels
from pipeline.settings import DatasetSettings, Params, ParamsError, load
from pipeline.weights import WeightsError, unpickle_arrays
from tests.clips import write_moving_video
from tests.mutants import mutated, token_files, videos

KNOWN = {
    **{"sha256": "0123456789abcdef" * 4, "mos": 62.5, "mos_raw": 3.5, "mos_std": 9.5},
    **{"n_ratings": 20, "mos_source": "human", "split": "train", "fold": 1, "content": "a"},
    **{"width": 64, "height": 48, "fps": 12.0, "duration_s": 2.0, "size_bytes": 4200},
    "codec": "h264",
}


def a_manifest() -> bytes:
    """Return a manifest of five videos with nearly all that can be known."""
    rows = [{"video_id": f"a/{n}", "path": f"in/a/{n}.mp4", **KNOWN} for n in range(5)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.csv"
        manifest.write(path, pd.DataFrame(rows).reindex(columns=list(manifest.COLUMNS)))
        assert len(manifest.read(path)) == 5
        return path.read_bytes()


MANIFEST = a_manifest()
FUZZ = settings(
    max_examples=300, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.slow
def test_mutants_of_videos_are_read_or_refused() -> None:
    for name, found in videos(each=75).items():
        left_out = found.pop("read, for the damaged picture was left out", 0)
        assert left_out <= 3, name  # a picture that key frames do not need, beyond concealment
        assert set(found) <= {"read", "refused", "refused on decoding"}, name
        assert (
            found["read"] and found.total() + left_out == 75
        )  # not refused for being changed at all


@pytest.mark.slow
@pytest.mark.skipif(SCHEMA < 2, reason="before schema 2 the times in a token file have no checksum")
def test_mutants_of_a_token_file_are_read_as_they_were_or_refused() -> None:
    found = token_files(500)
    assert set(found) <= {"read", "refused"}
    assert found.total() == 500


@given(st.integers(min_value=0, max_value=1 << 32))
@FUZZ
def test_mutants_of_a_manifest_are_refused_or_hold_what_a_manifest_holds(
    tmp_path: Path, seed: int
) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes(mutated(MANIFEST, seed))
    try:
        table = manifest.read(path)
    except ManifestError:
        return
    assert set(manifest.COLUMNS) <= set(table.columns)
    assert table["video_id"].is_unique and (table["video_id"] != "").all()
    assert set("".join(table["sha256"])) <= set(string.hexdigits)
    assert table["mos"].dropna().between(0, 100).all()
    assert set(table["split"]) <= {"train", "val", "test", ""}  # in none


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
@FUZZ
def test_any_bytes_as_a_table_of_labels(tmp_path: Path, content: bytes) -> None:
    if not (tmp_path / "a.mp4").exists():
        write_moving_video(tmp_path / "a.mp4", seconds=0.5)
    (tmp_path / "labels.csv").write_bytes(b"filename,mos\n" + content)
    try:
        table = read_labels(DatasetSettings(root=tmp_path, labels=Path("labels.csv")), seed=0)
    except ManifestError:
        return
    assert set(table["video_id"]) <= {"a"}
    assert table["mos"].dropna().between(0, 100).all()


@given(st.integers(min_value=0, max_value=1 << 32))
@FUZZ
def test_mutants_of_the_settings(tmp_path: Path, seed: int) -> None:
    content = (Path(__file__).parents[2] / "params.yaml").read_bytes()
    (tmp_path / "params.yaml").write_bytes(mutated(content, seed))
    with suppress(ParamsError):
        assert isinstance(load(tmp_path / "params.yaml"), Params)


@pytest.mark.parametrize("form", ["pt", "legacy.pt", "safetensors", "pickle"])
def test_mutants_of_weights_are_tensors_or_refused(tmp_path: Path, form: str) -> None:
    state, path = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4)}, tmp_path / f"w.{form}"
    if form == "safetensors":
        save_file(state, path)
    elif form == "pickle":
        path.write_bytes(pickle.dumps({name: t.numpy() for name, t in state.items()}, protocol=4))
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "pt")
    content = path.read_bytes()
    for seed in range(150):
        path.write_bytes(mutated(content, seed))
        with suppress(EncoderError, WeightsError), warnings.catch_warnings(action="ignore"):
            if form == "pickle":
                unpickle_arrays(io.BytesIO(path.read_bytes()))
            else:
                assert all(isinstance(t, torch.Tensor) for t in read_state_dict(path).values())
