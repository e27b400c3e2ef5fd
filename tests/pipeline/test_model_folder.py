"""The hub is a small server on loopback (tests/hub.py) with which the real client talks."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from typer.testing import CliRunner

from llm_head import checkpoint
from lmm_vqa import Scorer
from pipeline.cli import app
from pipeline.model_folder import ModelError, pack, pull, push
from tests.hub import TOKEN, Hub, Repository, serving

# of the client towards its own HTTP library
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


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


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Point the client, which has read its settings when it was imported, to a hub of ours."""
    with serving() as found:
        monkeypatch.setattr(constants, "ENDPOINT", found.url)
        address = f"{found.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield found


def test_push_and_pull_carry_a_model_and_no_pickle(
    tiny_model: Path, tmp_path: Path, hub: Hub
) -> None:
    shutil.copytree(tiny_model, tmp_path / "model")
    (tmp_path / "model/extra.pt").write_bytes(b"a pickle")
    assert push(tmp_path / "model", "me/tiny").startswith(f"{hub.url}/me/tiny")
    there = hub.repositories["me/tiny"]
    assert there.private and "extra.pt" not in there.files
    assert there.large == {"projector.safetensors"}
    there.files["evil.bin"] = b"a pickle"
    pull("me/tiny", tmp_path / "pulled")
    names = {path.name for path in (tmp_path / "pulled").rglob("*")}
    assert {"config.json", "projector.safetensors", "README.md"} <= names
    assert not {"extra.pt", "evil.bin"} & names
    assert checkpoint.identity(tmp_path / "pulled") == checkpoint.identity(tiny_model)
    push(tmp_path / "pulled", "me/tiny")  # what is there already is updated
    pull("me/tiny", tmp_path / "again", revision=there.commit)
    assert checkpoint.identity(tmp_path / "again") == checkpoint.identity(tiny_model)


def test_what_is_no_model_is_said(tmp_path: Path, hub: Hub) -> None:
    with pytest.raises(checkpoint.CheckpointError, match="no such file"):
        push(tmp_path, "me/none")
    with pytest.raises(ModelError, match="cannot be pulled"):
        pull("me/none", tmp_path / "out")
    hub.repositories["me/other"] = Repository(private=False, files={"config.json": b"{}"})
    with pytest.raises(ModelError, match="cannot be pulled"):
        pull("me/other", tmp_path / "out", revision="v9")
    with pytest.raises(ModelError, match="is no model of this project"):
        pull("me/other", tmp_path / "out")


def test_without_the_right_token_nothing_is_pushed_and_private_is_not_seen(
    tiny_model: Path, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(tiny_model, "me/tiny")
    for token in ("hf_of_another", ""):
        monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(ModelError, match=r"me/mine: cannot be pushed: .*401"):
            push(tiny_model, "me/mine")
        with pytest.raises(ModelError, match="me/tiny: cannot be pulled"):
            pull("me/tiny", tmp_path / "pulled")
    assert set(hub.repositories) == {"me/tiny"}


def test_a_refusal_and_a_hub_that_is_not_there_are_said(
    tiny_model: Path, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.full = True
    with pytest.raises(ModelError, match=r"cannot be pushed: .*projector.*storage limit reached"):
        push(tiny_model, "me/tiny")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens
    with pytest.raises(ModelError, match="cannot be pushed"):
        push(tiny_model, "me/tiny")
    with pytest.raises(ModelError, match="cannot be pulled"):
        pull("me/tiny", tmp_path / "out")


def test_the_real_client_says_what_is_wrong_without_a_network(tiny_model: Path) -> None:
    with pytest.raises(ModelError, match="cannot be pushed"):
        push(tiny_model, "not/a/name")


@pytest.mark.slow
def test_the_commands_by_the_client_s_own_settings(tiny_model: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    done = CliRunner().invoke(app, ["model", "pack", str(packed), "--model", str(tiny_model)])
    assert done.exit_code == 0
    with serving() as hub:
        settings = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
        for words in (["push", "packed", "me/tiny", "--public"], ["pull", "me/tiny", "pulled"]):
            call = [sys.executable, "-c", "from pipeline.cli import main; main()", "model", *words]
            done = subprocess.run(
                call, cwd=tmp_path, capture_output=True, text=True,
                env={**os.environ, **settings, "HF_HOME": str(tmp_path / "home"),
                     "PYTHONPATH": str(Path(__file__).parents[2])},
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
        assert not hub.repositories["me/tiny"].private
    sent = {p.relative_to(packed): p.read_bytes() for p in packed.rglob("*") if p.is_file()}
    for name, data in sent.items():
        assert (tmp_path / "pulled" / name).read_bytes() == data
    assert Path("weights/llm/model.safetensors") in sent
