"""Features of made-up videos, imported, tuned on, predicted from and evaluated."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from llm_head.checkpoint import CheckpointError
from llm_head.data import token_names
from pipeline import layout, manifest
from pipeline.cache import FAILURES, Kind, TokenCache
from pipeline.cache_tools.pack import pack
from pipeline.cache_tools.verify import verify
from pipeline.features.importing import import_features
from pipeline.features.read import FeatureError
from pipeline.settings import FeatureSettings, Params
from pipeline.stages import evaluate, instruct, predict, spatial, temporal, tune
from tests.synthetic import make_manifest, make_params
from tests.tiny_llm import save_tiny_llm


def feature_table(table: pd.DataFrame, seed: int = 0, size: int = 6) -> pd.DataFrame:
    """Return features per video that are a linear function of its MOS, and noise."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(9).normal(size=size)
    values = np.outer(table["mos"] - 50, mixing) + rng.normal(size=(len(table), size))
    found = pd.DataFrame(values, columns=[f"f{n}" for n in range(size)])
    return found.assign(filename=[f"{video}.mp4" for video in table["video_id"]])


class Import:
    """A data set with features, in a folder of its own."""

    def __init__(self, folder: Path, count: int = 6) -> None:
        self.root, self.folder = folder, folder / "data/syn/temporal"
        self.manifest = make_manifest(count).assign(path=[f"r/v{n}.mp4" for n in range(count)])
        self.features = feature_table(self.manifest)

    def run(self, kind: Kind = "temporal", dry_run: bool = False, **changes: object) -> TokenCache:
        self.features.to_csv(self.root / "f.csv", index=False)
        wanted = {"file": "f.csv", "name": "made", "version": "1", "id_column": "filename"}
        settings = FeatureSettings.model_validate({**wanted, **changes})
        folder = self.folder.parent / kind
        import_features(self.manifest, settings, self.root, folder, kind, dry_run)
        return TokenCache(folder)

    def stamps(self) -> dict[str, int]:
        return {p.stem: p.stat().st_mtime_ns for p in self.folder.glob("*.h5")}


def test_features_are_tokens_and_say_where_they_come_from(tmp_path: Path) -> None:
    made = Import(tmp_path)
    cache = made.run()
    read = cache.read("v4")
    wanted = made.features.drop(columns="filename").iloc[4].to_numpy(np.float16)
    assert read.tokens.shape == (1, 6) and (read.tokens[0] == wanted).all()
    assert cache.fingerprint["model"] == "made 1" and not cache.random
    assert cache.source is not None and cache.source["file"] == "f.csv"
    assert verify(made.folder, made.manifest).good
    assert made.run("spatial").read("v4").tokens.shape == (1, 1, 6)


def test_features_per_second_keep_their_seconds(tmp_path: Path) -> None:
    made = Import(tmp_path)
    (tmp_path / "npy").mkdir()
    for n in range(6):
        np.save(tmp_path / f"npy/v{n}.npy", np.full((n + 1, 2), n) + np.arange(n + 1)[:, None])
    cache = made.run(file="npy", per="second", id_column=None)
    read = cache.read("v3")
    assert read.tokens.tolist() == [[3, 3], [4, 4], [5, 5], [6, 6]]
    assert read.pts_s.tolist() == [0, 1, 2, 3]
    assert cache.fingerprint["imported"]["per"] == "second"

    np.save(tmp_path / "npy/v3.npy", np.ones((4, 3)))
    with pytest.raises(FeatureError, match=r"'v3' has shape \(3,\), others \(2,\)"):
        made.run(file="npy", per="second", id_column=None)


def test_only_what_changed_is_imported_again(tmp_path: Path) -> None:
    made = Import(tmp_path)
    names = token_names({"temporal": made.run()})
    first = made.stamps()
    made.run()
    assert made.stamps() == first

    made.features.loc[2, "f0"] += 1
    changed = token_names({"temporal": made.run()})
    assert {v for v, at in made.stamps().items() if at != first[v]} == {"v2"}
    # and what is tuned on them sees it
    assert {v for v in names if names[v] != changed[v]} == {"v2"}

    made.manifest = made.manifest[made.manifest["video_id"] != "v1"]
    assert "v1" not in made.run() and "v1" not in made.stamps()

    pack(made.folder)
    made.run()
    assert made.stamps() == {}  # packed ones count as imported

    made.run(version="2")  # other features under the same file name
    assert set(made.stamps()) == {"v0", "v2", "v3", "v4", "v5"}


def test_dry_run_changes_nothing(tmp_path: Path) -> None:
    made = Import(tmp_path)
    made.run()
    before = made.stamps()
    made.features["f0"] += 1
    made.run(dry_run=True)
    assert made.stamps() == before


def test_equal_names_and_columns_are_comparable_others_not(tmp_path: Path) -> None:
    hashes = set()
    for folder in ("a", "b", "swapped"):
        (tmp_path / folder).mkdir()
        made = Import(tmp_path / folder)
        made.features = feature_table(made.manifest, seed=len(folder))
        if folder == "swapped":
            made.features = made.features[["f1", "f0", "f2", "f3", "f4", "f5", "filename"]]
        hashes.add(made.run().fingerprint_sha256)
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.nan, "1 features are not finite"),
        (np.inf, "1 features are not finite"),
        (70000.0, "70000 is beyond half precision"),
    ],
)
def test_a_value_that_does_not_fit_costs_its_video_only(
    tmp_path: Path, value: float, reason: str
) -> None:
    made = Import(tmp_path)
    made.run()
    made.features.loc[3, "f1"] = value
    with pytest.raises(FeatureError, match=rf"1 of 6 videos .*\n  v3: .*{reason[-20:]}"):
        made.run()
    cache = TokenCache(made.folder)
    assert set(cache.videos) == {"v0", "v1", "v2", "v4", "v5"} == set(made.stamps())
    failures = pd.read_csv(made.folder / FAILURES)
    assert failures["video_id"].tolist() == ["v3"] and reason in failures["reason"][0]
    made.features.loc[3, "f1"] = 0.0
    assert "v3" in made.run() and not (made.folder / FAILURES).exists()


def test_a_video_without_a_row_is_a_failure_and_other_rows_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = Import(tmp_path)
    made.features.loc[0, "filename"] = "elsewhere.mp4"
    with (
        caplog.at_level("INFO"),
        pytest.raises(FeatureError, match=r"v0: no features in f.csv"),
    ):
        made.run()
    assert "1 names of f.csv are not in the manifest, first ['elsewhere.mp4']" in caplog.text


def test_joins_that_guess_are_refused(tmp_path: Path) -> None:
    made = Import(tmp_path)
    made.features["filename"] = [f"V{n}.MP4" for n in range(6)]  # case is not overlooked
    with pytest.raises(FeatureError, match="none of its 6 names is a video"):
        made.run()
    made.features["filename"] = ["v0.mp4", "v0", "v2.mp4", "v3.mp4", "v4.mp4", "v5.mp4"]
    with pytest.raises(FeatureError, match=r"'v0\.mp4' and 'v0' are one video"):
        made.run()
    made.features = feature_table(made.manifest)
    made.manifest["video_id"] = ["a/v1", "b/v1", "v2", "v3", "v4", "v5"]
    made.manifest["path"] = [f"r/{v}.mp4" for v in made.manifest["video_id"]]
    with pytest.raises(FeatureError, match=r"'v1\.mp4' means 2 videos"):
        made.run()
    assert not made.folder.exists()


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 30000.0), (1e-8, 0.0)])
def test_features_that_half_precision_would_round_away_are_refused(
    tmp_path: Path, scale: float, shift: float
) -> None:
    made = Import(tmp_path)
    made.features["f2"] = np.linspace(0, 1, 6) * scale + shift
    with pytest.raises(FeatureError, match=r"1 features vary so little.*\['f2'\]"):
        made.run()
    assert not made.folder.exists()


def project(folder: Path, kinds: tuple[Kind, ...]) -> Params:
    """Write the data sets syn and other with features of their own; return the settings."""
    params = make_params(
        str(save_tiny_llm(folder / "llm")), "both" if len(kinds) == 2 else kinds[0]
    )
    wanted = {"file": "f.csv", "name": "made", "version": "1", "id_column": "filename"}
    found = params.model_dump(mode="json")
    for seed, name in enumerate(("syn", "other")):
        table = make_manifest(12, seed)
        table["path"] = name + "/" + table["video_id"] + ".mp4"
        manifest.write(layout.manifest(name), table)
        (folder / name).mkdir()
        feature_table(table, seed).to_csv(folder / name / "f.csv", index=False)
        found["datasets"][name] = {
            "root": name,
            "labels": "l.csv",
            "features": dict.fromkeys(kinds, wanted),
        }
    del found["datasets"]["mine"]
    found["tune"]["epochs"] = 2
    return Params.model_validate(found)


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [("temporal",), ("spatial",), ("spatial", "temporal")])
def test_tune_predict_and_evaluate_run_on_features_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: tuple[Kind, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    params = project(tmp_path, kinds)
    for name in ("syn", "other"):
        for kind in kinds:
            {"spatial": spatial, "temporal": temporal}[kind].run(params, name)
    instruct.run(params, "syn")
    tune.run(params)
    for name in ("syn", "other"):
        predict.run(params, name)
    evaluate.run(params)
    metrics = json.loads(layout.METRICS.read_text())
    assert set(metrics["datasets"]) == {"syn", "other"}
    assert metrics["random_encoders"] == []
    for name in ("syn", "other"):
        found = pd.read_csv(layout.predictions(name))
        assert len(found) == 12 and found["score"].between(0, 100).all()
        # the features say the MOS, so a baseline on them must find it, on the other set too
        assert found["ridge"].corr(found["mos"]) > 0.95

    if kinds == ("temporal",):  # features of another version are other tokens
        newer = params.datasets["other"].features.temporal
        assert newer is not None
        import_features(
            manifest.read(layout.manifest("other")),
            newer.model_copy(update={"version": "2"}),
            *(tmp_path / "other", layout.cache("other", "temporal"), "temporal"),
        )
        with pytest.raises(CheckpointError, match="tuned on other temporal tokens"):
            predict.run(params, "other")
