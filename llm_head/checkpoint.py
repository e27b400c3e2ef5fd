"""A tuned head on disk: what was trained, and all that it depends on.

    projector.safetensors   the projector, with the tokens' means and deviations
    adapter/                the LoRA layers, only if there are any
    config.json             settings, LLM, token shapes, fingerprints of the caches, versions
    loss.csv                what tuning logged
    README.md               a short model card

The LLM itself is not in it.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from llm_head import lora
from llm_head.config import TuneConfig
from llm_head.model import LmmVqa, load_llm
from llm_head.projector import TokenShape
from llm_head.prompts import Chat
from llm_head.tune import Tuned
from pipeline.cache import Kind, canonical, fingerprint_sha256

SCHEMA = 1
CONFIG = "config.json"
PROJECTOR = "projector.safetensors"
ADAPTER = "adapter"
_LLM_FILES = (".safetensors", ".bin", ".gguf", ".jinja", "config.json", "tokenizer.json")

Fingerprints = Mapping[Kind, Mapping[str, Any]]


class CheckpointError(RuntimeError):
    """A checkpoint is missing or damaged, or does not fit the LLM or the caches."""


@dataclass(frozen=True)
class Head:
    """A tuned head, ready to be asked by `readout.ReadOut(head.model, head.chat, head.level_std)`.

    Attributes:
        level_std: of the soft labels that it has learned.
        random_encoders: kinds whose encoder had random weights; say so beside every result.
    """

    model: LmmVqa
    chat: Chat
    shape: TokenShape
    level_std: float
    random_encoders: tuple[str, ...]


def save(folder: Path, tuned: Tuned, config: TuneConfig, fingerprints: Fingerprints) -> None:
    """Write a checkpoint; an earlier one is replaced when the new one is whole.

    Args:
        fingerprints: of the caches, by kind; those that the head does not read are left out.
    """
    tmp = folder.with_name(f".tmp-{folder.name}")
    shutil.rmtree(tmp, ignore_errors=True)
    tmp.mkdir(parents=True)
    projector = {
        name: tensor.cpu().contiguous()
        for name, tensor in tuned.model.projector.state_dict().items()
    }
    save_file(projector, tmp / PROJECTOR)
    if config.lora_rank:
        lora.save(tuned.model.llm, tmp / ADAPTER)
    read = {kind: dict(fingerprints[kind]) for kind in config.kinds}
    written = {
        "schema": SCHEMA,
        "settings": asdict(config),
        "shape": asdict(tuned.model.projector.shape),
        "llm": {"name": config.llm, "identity": llm_identity(config.llm, tuned.model.llm)},
        "fingerprints": read,
        "random_encoders": [kind for kind, found in read.items() if found.get("random")],
        "best_epoch": tuned.best_epoch,
        "versions": {name: version(name) for name in ("torch", "transformers", "peft")},
    }
    (tmp / CONFIG).write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    tuned.history.to_csv(tmp / "loss.csv", index=False, lineterminator="\n")
    (tmp / "README.md").write_text(_card(written, tuned), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    tmp.rename(folder)


def load(folder: Path, fingerprints: Fingerprints, device: str = "auto") -> Head:
    """Read a checkpoint and its LLM.

    Args:
        fingerprints: of the encoders whose tokens will be read, by kind.
        device: auto, cpu or cuda.

    Raises:
        CheckpointError: if it is missing, damaged, or was tuned on tokens or an LLM other than
            these.
        HeadError: if the LLM cannot be loaded.
    """
    written = _read_config(folder)
    settings, shape = written["settings"], TokenShape(**_tuples(written["shape"]))
    for kind, wanted in written["fingerprints"].items():
        _check_fingerprint(folder, kind, wanted, fingerprints[kind])
    tokenizer, llm = load_llm(settings["llm"], settings["dtype"])
    identity, found = written["llm"]["identity"], llm_identity(settings["llm"], llm)
    if identity != found:
        raise CheckpointError(
            f"{folder}: tuned with LLM {settings['llm']} {identity}, found {found}; "
            "run stage tune again"
        )
    if settings["lora_rank"]:
        llm = lora.load(llm, folder / ADAPTER)
    chat = Chat(tokenizer)
    model = LmmVqa(llm, shape, chat)
    try:
        model.projector.load_state_dict(load_file(folder / PROJECTOR))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{folder / PROJECTOR}: cannot be read: {error}") from error
    on_cpu = device == "cpu" or not torch.cuda.is_available()
    model.to("cpu" if on_cpu else "cuda").eval()
    return Head(model, chat, shape, settings["level_std"], tuple(written["random_encoders"]))


def kinds_read(folder: Path) -> tuple[Kind, ...]:
    """Return the kinds of tokens that a checkpoint reads: spatial, temporal or both."""
    return tuple(_read_config(folder)["fingerprints"])


def llm_identity(name: str, llm: Any) -> dict[str, str]:
    """Return what tells an LLM from another: file hashes of a folder, the commit of a hub model."""
    folder = Path(name)
    if not folder.is_dir():
        return {"commit": str(getattr(llm.config, "_commit_hash", None))}
    identity = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name.endswith(_LLM_FILES):
            with path.open("rb") as file:
                identity[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return identity


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; run stage tune first")
    try:
        written: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if written["schema"] != SCHEMA:
            raise CheckpointError(f"{path}: schema {written['schema']}; wanted {SCHEMA}")
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: not a checkpoint of this project: {error!r}") from error
    return written


def _check_fingerprint(
    folder: Path, kind: str, wanted: Mapping[str, Any], found: Mapping[str, Any]
) -> None:
    if fingerprint_sha256(wanted) == fingerprint_sha256(found):
        return
    found = json.loads(canonical(found))  # as stored: a tuple is a list
    names = sorted(set(wanted) | set(found))
    differing = [
        f"{name} {wanted.get(name)!r} then, {found.get(name)!r} now"
        for name in names
        if wanted.get(name) != found.get(name)
    ]
    raise CheckpointError(
        f"{folder}: tuned on other {kind} tokens ({'; '.join(differing)}); run stage tune again"
    )


def _tuples(shape: Mapping[str, Any]) -> dict[str, Any]:
    return {**shape, "spatial": tuple(shape["spatial"])}


def _card(written: Mapping[str, Any], tuned: Tuned) -> str:
    settings, history = written["settings"], tuned.history
    srcc = history["val_srcc"].max()
    lines = [
        "# A tuned LMM-VQA head",
        "",
        f"Projector{' and LoRA layers' if settings['lora_rank'] else ''} for {settings['llm']}, "
        f"which is not included. Reads {settings['tokens']} tokens of up to "
        f"{settings['seconds']} seconds of a video.",
        f"Epoch {tuned.best_epoch:g} of {settings['epochs']:g}; "
        f"SRCC on the validation videos that chose it: {srcc:.3f}.",
        "config.json holds every setting, hash and version.",
    ]
    if written["random_encoders"]:
        names = " and ".join(written["random_encoders"])
        lines += ["", f"**The {names} encoder had random weights: the scores mean nothing.**"]
    return "\n".join(lines) + "\n"
