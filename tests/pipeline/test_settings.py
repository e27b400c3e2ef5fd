from pathlib import Path

import pytest
import yaml

from pipeline.settings import ParamsError, load

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "params.yaml", *sorted((ROOT / "profiles").glob("*.yaml"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_params_file_of_the_project_is_valid(path: Path) -> None:
    load(path)


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("tune", "train_on", ["nobody"], "'nobody'"),
        ("tune", "epoch", 3, "tune.epoch"),
        ("tune", "lora_rank", 0, "practice_steps trains the LoRA layers after alignment"),
        ("tune", "rank_only", ["demo"], "rank_weight must be above 0"),
        ("tune", "rank_only", ["nobody"], r"rank_only names \['nobody'\]"),
        ("tune", "train_llm", True, "neither lora_rank nor quantize"),
        ("spatial", "frame", "half", "spatial.frame.*'half'"),
        ("demo", "clip_s", 0, "demo.clip_s"),
        ("run", "scheduler", "somewhere", "tcp://host"),
        ("datasets", "Bad Name", {"root": "x"}, "Bad Name"),
        ("datasets", "k", {"root": "x", "adapter": "../k"}, "datasets.k.adapter"),
        (
            *("datasets", "k", {"root": "x", "adapter": "konvid_1k", "mos_min": 1}),
            "adapter konvid_1k knows its columns and scale: leave mos_min out",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_found(
    tmp_path: Path, section: str, key: str, value: object, message: str
) -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content[section][key] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ParamsError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("asked", "message"),
    [({"markers": True}, "markers number the seconds"), ({"pairs": 1}, "pairs shows two videos")],
)
def test_a_mean_over_time_leaves_nothing_to_number_or_to_compare(
    tmp_path: Path, asked: dict[str, object], message: str
) -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["tune"] |= {"time": "mean", **asked}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ParamsError, match=message):
        load(tmp_path / "params.yaml")


def test_no_file_and_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="no such file"):
        load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: [")
    with pytest.raises(ParamsError, match="not valid YAML"):
        load(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("tune", "levels", "message"),
    [
        ({"train_on": ["demo"]}, "absolute", "no set would teach the scale"),
        ({"train_on": ["demo", "demo_wild"]}, "percentile", "instruct.levels: percentile"),
    ],
)
def test_a_set_for_ranking_only_needs_a_scale_and_the_levels(
    tmp_path: Path, tune: dict[str, object], levels: str, message: str
) -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["tune"] |= {"rank_weight": 1.0, "rank_only": ["demo"], **tune}
    content["instruct"]["levels"] = levels
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ParamsError, match=message):
        load(tmp_path / "params.yaml")
