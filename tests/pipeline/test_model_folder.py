"""The hub is played by a stand-in: no test has talked to the real one."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llm_head import checkpoint
from lmm_vqa import Scorer
from pipeline import model_folder
from pipeline.cli import app
from pipeline.model_folder import ModelError, pack, pull, push


def test_a_packed_folder_is_enough_where_nothing_else_is(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(tiny_model.parent, home)  # llm/, clips/, model/
    config = json.loads((home / "model/config.json").read_text())
    config["settings"]["llm"] = str(home / "llm")
    (home / "model/config.json").write_text(json.dumps(config))
    before = Scorer(home / "model", device="cpu").score(home / "clips/c0.mp4")
    pack(home / "model", tmp_path / "out", metrics="SRCC 0.5")
    clip = shutil.move(home / "clips/c0.mp4", tmp_path / "c0.mp4")
    shutil.rmtree(home)
    moved = shutil.move(tmp_path / "out", tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    scorer = Scorer(moved, device="cpu")
    assert scorer.score(clip).answer == before.answer
    card = Path(moved, "README.md").read_text()
    assert card.startswith("---\nlibrary_name: lmm-vqa\n")
    for part in ("SRCC 0.5", "## Limits", "random weights", "4 videos to train", "synthetic"):
        assert part in card
    assert str(tmp_path) not in Path(moved, "config.json").read_text().replace(str(home), "")


def test_pack_takes_safetensors_only_and_leaves_nothing_behind(
    tiny_model: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_model, tmp_path / "model")
    config = json.loads((tmp_path / "model/config.json").read_text())
    (tmp_path / "model/i3d.pt").write_bytes(b"a pickle")
    config["encoders"]["temporal"]["pretrained"] = "i3d.pt"
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="only safetensors"):
        pack(tmp_path / "model", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").touch()
    with pytest.raises(ModelError, match="is there already"):
        pack(tiny_model, tmp_path / "out")


class Hub:
    """What we use of HfApi and snapshot_download, with a folder in the hub's place."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def create_repo(self, name: str, private: bool, exist_ok: bool) -> None:
        self.private = private
        (self.root / name).mkdir(parents=True, exist_ok=exist_ok)

    def upload_folder(self, repo_id: str, folder_path: Path, allow_patterns: list[str]) -> str:
        self._copy(folder_path, self.root / repo_id, allow_patterns)
        return f"hub/{repo_id}"

    def snapshot(
        self, name: str, revision: str | None, local_dir: Path, allow_patterns: list[str]
    ) -> None:
        if not (self.root / name).is_dir():
            raise OSError("404")
        self._copy(self.root / name, local_dir, allow_patterns)

    @staticmethod
    def _copy(source: Path, target: Path, patterns: list[str]) -> None:
        for file in source.rglob("*"):
            if file.is_file() and any(file.match(pattern) for pattern in patterns):
                (target / file.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target / file.relative_to(source))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    found = Hub(tmp_path / "hub")
    monkeypatch.setattr(model_folder, "HfApi", lambda: found)
    monkeypatch.setattr(model_folder, "snapshot_download", found.snapshot)
    return found


def test_push_and_pull_carry_a_model_and_no_pickle(
    tiny_model: Path, tmp_path: Path, hub: Hub
) -> None:
    shutil.copytree(tiny_model, tmp_path / "model")
    (tmp_path / "model/extra.pt").write_bytes(b"a pickle")
    assert push(tmp_path / "model", "me/tiny") == "hub/me/tiny"
    assert hub.private
    (hub.root / "me/tiny/evil.bin").write_bytes(b"a pickle")
    pull("me/tiny", tmp_path / "pulled")
    names = {path.name for path in (tmp_path / "pulled").rglob("*")}
    assert {"config.json", "projector.safetensors", "README.md"} <= names
    assert not {"extra.pt", "evil.bin"} & names
    assert checkpoint.identity(tmp_path / "pulled") == checkpoint.identity(tiny_model)


def test_what_is_no_model_is_said(tmp_path: Path, hub: Hub) -> None:
    with pytest.raises(checkpoint.CheckpointError, match="no such file"):
        push(tmp_path, "me/none")
    with pytest.raises(ModelError, match="cannot be pulled"):
        pull("me/none", tmp_path / "out")
    (hub.root / "me/other").mkdir(parents=True)
    (hub.root / "me/other/config.json").write_text("{}")
    with pytest.raises(ModelError, match="is no model of this project"):
        pull("me/other", tmp_path / "out")


def test_the_real_client_says_what_is_wrong_without_a_network(tiny_model: Path) -> None:
    with pytest.raises(ModelError, match="cannot be pushed"):
        push(tiny_model, "not/a/name")


def test_the_commands(tiny_model: Path, tmp_path: Path, hub: Hub) -> None:
    run = CliRunner().invoke
    packed, pulled = str(tmp_path / "packed"), str(tmp_path / "pulled")
    assert run(app, ["model", "pack", packed, "--model", str(tiny_model)]).exit_code == 0
    assert run(app, ["model", "push", packed, "me/tiny", "--public"]).exit_code == 0
    assert not hub.private
    assert run(app, ["model", "pull", "me/tiny", pulled]).exit_code == 0
    assert (tmp_path / "pulled/weights/llm/model.safetensors").is_file()
