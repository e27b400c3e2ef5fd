"""docs/new-dataset.md is followed to the letter: one file more, and the data set is read."""

import re
from pathlib import Path

import pytest
import yaml

from pipeline import datasets
from pipeline.labels import ManifestError
from pipeline.settings import DatasetSettings
from tests.published import write_xlsx
from tests.trees import clips

PAGE = (Path(__file__).parents[1] / "docs/new-dataset.md").read_text()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DatasetSettings:
    """Put the page's adapter where Python finds it, and lay out the data set that it describes."""
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters/harbour.py").write_text(code[1])
    monkeypatch.setattr(datasets, "__path__", [*datasets.__path__, str(tmp_path / "adapters")])
    root = tmp_path / "Harbour"
    clips(root / "clips", ["H_0001.mp4", "H_0002.mp4"])
    rows = [
        ["Clip", "MOS", "SD", "Place"],
        ["H_0001", 2.5, 1, "quay"],
        ["H_0002.mp4", 9, 2, "quay"],
    ]
    write_xlsx(root / "harbour.xlsx", Scores=rows)
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    asked = yaml.safe_load(blocks[-1])["datasets"]["harbour"]
    return DatasetSettings.model_validate({**asked, "root": root})


def test_the_page_s_adapter_reads_the_page_s_data_set(settings: DatasetSettings) -> None:
    assert "harbour" in datasets.adapters()
    table = datasets.read(settings, seed=0).table
    assert table[["video_id", "mos", "mos_raw", "mos_std", "content"]].to_numpy().tolist() == [
        ["H_0001", 25, 2.5, 10, "quay"],
        ["H_0002", 90, 9, 20, "quay"],
    ]


def test_and_refuses_what_does_not_fit(settings: DatasetSettings) -> None:
    write_xlsx(settings.root / "harbour.xlsx", Scores=[["Clip", "MOS"], ["H_0001", 11]])
    with pytest.raises(ManifestError, match=r"Harbour in .*MOS outside 0..10"):
        datasets.read(settings, seed=0)


def test_the_page_names_every_adapter_and_its_settings_are_valid() -> None:
    table = PAGE.split("| adapter |")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.M)))) == set(
        datasets.adapters()
    )
    first = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0]
    for asked in yaml.safe_load(first)["datasets"].values():
        assert DatasetSettings.model_validate(asked).adapter in datasets.adapters()
