"""A checkpoint as something to give away: packed with its weights, pushed to and pulled from a hub.

Only plain tensors (safetensors) and text travel, never a pickle.
"""

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from huggingface_hub import HfApi, snapshot_download

from llm_head import checkpoint
from llm_head.card import card
from pipeline.atomic import write_text
from pipeline.cache import Kind
from pipeline.file_tokens import encoder_settings
from pipeline.weights import SOURCES

# what a checkpoint, an LLM of transformers and an encoder's weights consist of
ADMITTED = ("*.safetensors", "*.json", "*.md", "*.csv", "*.jinja", "*.txt", "*.model")
WEIGHTS = "weights"

log = logging.getLogger(__name__)


class ModelError(RuntimeError):
    """A model cannot be packed, pushed or pulled."""


def pack(folder: Path, out: Path, metrics: str | None = None) -> None:
    """Copy a checkpoint into a new folder together with all weights that it needs.

    Weights that a hub's name stands for stay with the hub.

    Args:
        folder: of the checkpoint; unchanged.
        out: new, or empty.
        metrics: Markdown for the card.

    Raises:
        ModelError: if `out` holds something, or weights are missing or not safetensors.
        CheckpointError: if `folder` is no checkpoint.
        ScoringError: if it does not say how its tokens are made.
    """
    written = checkpoint.read_config(folder)
    kinds: list[Kind] = list(written["fingerprints"])
    encoders = {kind: encoder_settings(folder, kind).model_dump(mode="json") for kind in kinds}
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ModelError(f"{out}: is there already; name a new folder")
    with _fresh(out):
        shutil.copytree(folder, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns(WEIGHTS))
        if not (folder / checkpoint.LLM).is_dir():  # else it lies there, tuned
            written["settings"]["llm"] = _packed(folder, written["settings"]["llm"], "llm", out)
        for kind, settings in encoders.items():
            settings["pretrained"] = _packed(folder, settings["pretrained"], kind, out)
        written["encoders"] = encoders
        write_text(out / checkpoint.CONFIG, json.dumps(written, indent=1) + "\n")
        table = None if metrics is None else f"```text\n{metrics.strip()}\n```"
        history = pd.read_csv(out / "loss.csv")
        write_text(out / checkpoint.CARD, card(written, history, table, _credits(out)))
    log.info("%s: %.0f MB", out, sum(f.stat().st_size for f in out.rglob("*")) / 1e6)


@contextmanager
def _fresh(out: Path) -> Iterator[None]:
    """Remove the folder if it does not come to be whole."""
    try:
        yield
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise


def _credits(out: Path) -> list[str]:
    """Return a line for each part whose weights say whose they are."""
    lines = []
    for path in sorted(out.glob(f"{WEIGHTS}/*/{SOURCES}")):
        facts = json.loads(path.read_text(encoding="utf-8"))
        lines.append(f"{path.parent.name}: {facts['credit']}. Licence: {facts['licence']}.")
    return lines


def _packed(folder: Path, name: str, part: str, out: Path) -> str:
    """Copy weights and return their path in the packed folder; a hub's name stays as it is."""
    source = Path(checkpoint.located(folder, name))
    target = out / WEIGHTS / part
    if source.is_dir():
        files = [file for pattern in ADMITTED for file in sorted(source.glob(pattern))]
        target.mkdir(parents=True)
        for file in files:
            shutil.copyfile(file, target / file.name)
        return f"{WEIGHTS}/{part}"
    if not source.is_file():
        return name
    if source.suffix != ".safetensors":
        raise ModelError(f"{source}: only safetensors are packed; convert it first")
    target.mkdir(parents=True)
    for file in (source, source.parent / SOURCES):
        if file.is_file():
            shutil.copyfile(file, target / file.name)
    return f"{WEIGHTS}/{part}/{source.name}"


def push(folder: Path, repository: str, private: bool = True) -> str:
    """Upload a checkpoint's folder; return its address.

    Raises:
        CheckpointError: if it is none.
        ModelError: if the hub refuses or cannot be reached.
    """
    checkpoint.read_config(folder)
    api = HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        done = api.upload_folder(
            repo_id=repository, folder_path=folder, allow_patterns=list(ADMITTED)
        )
    except Exception as error:
        raise ModelError(f"{repository}: cannot be pushed: {_said(error)}") from error
    return str(done)


def _said(error: Exception) -> str:
    """Return an error of the hub's client and what caused it.

    They have no class in common: its own, those of its HTTP library (which changed with its major
    versions), ValueError and RuntimeError are all in use.
    """
    return f"{error} ({error.__cause__})" if error.__cause__ else str(error)


def pull(repository: str, out: Path, revision: str | None = None) -> None:
    """Download a checkpoint into a folder; of what is there only such files are fetched as we use.

    Args:
        revision: branch, tag or commit; none: the main branch.

    Raises:
        ModelError: if the hub refuses or cannot be reached, or what is there is no checkpoint.
    """
    try:
        snapshot_download(
            repository, revision=revision, local_dir=out, allow_patterns=list(ADMITTED)
        )
    except Exception as error:
        raise ModelError(f"{repository}: cannot be pulled: {_said(error)}") from error
    try:
        checkpoint.read_config(out)
    except checkpoint.CheckpointError as error:
        raise ModelError(f"{repository} is no model of this project: {error}") from error
