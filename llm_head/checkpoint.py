"""A tuned head on disk: what was trained, and all that it depends on.

    projector.safetensors   the projector, with the tokens' means and deviations
    adapter/                the LoRA layers, only if there are any
    llm/                    the LLM with its tokenizer, only if all of it was trained
    config.json             settings, LLM, token shapes, fingerprints of the caches, versions
    loss.csv                what tuning logged
    README.md               the model card
    weights/                the LLM's and the encoders', only if they were packed with it

Nothing in it is a pickle.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from llm_head import lora
from llm_head.calibrate import ScoreMap
from llm_head.card import card
from llm_head.config import TuneConfig
from llm_head.llm import llm_identity, load_llm, on_device
from llm_head.model import LmmVqa
from llm_head.projector import TokenShape
from llm_head.prompts import Chat
from llm_head.readout import EVERYTHING, ReadOut
from pipeline.cache import Kind, canonical, fingerprint_sha256

if TYPE_CHECKING:  # it loads the trainer, which scoring does without
    from llm_head.tune import Tuned

SCHEMA = 1
CONFIG = "config.json"
PROJECTOR = "projector.safetensors"
ADAPTER = "adapter"
LLM = "llm"
CARD = "README.md"

Fingerprints = Mapping[Kind, Mapping[str, Any]]


class CheckpointError(RuntimeError):
    """A checkpoint is missing or damaged, or does not fit the LLM or the caches."""


@dataclass(frozen=True)
class Head:
    """A tuned head, ready to be asked.

    Attributes:
        level_std: of the soft labels that it has learned.
        random_encoders: kinds whose encoder had random weights; say so beside every result.
        llm_trained: what of the LLM was trained: none, lora or all.
        calibration: from scores to the MOS of the validation videos; None: it had too few.
        compares: whether it has learned from pairs, see `pair.compare_together`.
        taught: from `instruct.taught`.
    """

    model: LmmVqa
    chat: Chat
    shape: TokenShape
    level_std: float
    random_encoders: tuple[str, ...]
    llm_trained: str = "none"
    calibration: ScoreMap | None = None
    compares: bool = False
    taught: Mapping[str, Sequence[str]] = field(default_factory=lambda: EVERYTHING)

    def readout(self) -> ReadOut:
        """Return what asks the head the questions that it was taught."""
        return ReadOut(self.model, self.chat, self.level_std, self.taught)


@dataclass(frozen=True)
class Origin:
    """Where tokens and labels came from; with it, a checkpoint can score files by itself.

    Attributes:
        encoders: by kind, the settings that build the encoder again.
        data: by training set, what the card says of it: mos_source, and videos by split.
        other_tasks: that were learned beside our own questions.
    """

    encoders: Mapping[Kind, Mapping[str, Any]] = field(default_factory=dict)
    data: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    other_tasks: tuple[str, ...] = ()


def save(
    folder: Path,
    tuned: "Tuned",
    config: TuneConfig,
    fingerprints: Fingerprints,
    origin: Origin | None = None,
) -> None:
    """Write a checkpoint; an earlier one is replaced when the new one is whole.

    Args:
        fingerprints: of the caches, by kind; those that the head does not read are left out.
        origin: of the tokens; without it, a project's params.yaml is needed to score files.
    """
    origin = origin or Origin()
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
    llm = config.llm
    if config.train_llm:
        llm = str(tmp / LLM)
        tuned.model.llm.save_pretrained(llm)  # type: ignore[operator]
        tuned.chat.save(llm)
    read = {kind: dict(fingerprints[kind]) for kind in config.kinds}
    written = {
        "schema": SCHEMA,
        "settings": asdict(config),
        "shape": asdict(tuned.model.projector.shape),
        "llm": {"name": config.llm, "identity": llm_identity(llm, tuned.model.llm)},
        "fingerprints": read,
        "encoders": {kind: dict(origin.encoders[kind]) for kind in read if kind in origin.encoders},
        "data": {name: dict(facts) for name, facts in origin.data.items()},
        "taught": {task: list(names) for task, names in tuned.taught.items()},
        "other_tasks": list(origin.other_tasks),
        "random_encoders": [kind for kind, found in read.items() if found.get("random")],
        "best_epoch": tuned.best_epoch,
        "calibration": tuned.calibration and asdict(tuned.calibration),
        "versions": {name: version(name) for name in ("torch", "transformers", "peft")},
    }
    (tmp / CONFIG).write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    tuned.history.to_csv(tmp / "loss.csv", index=False, lineterminator="\n")
    (tmp / CARD).write_text(card(written, tuned.history), encoding="utf-8")
    before = folder.with_name(f".old-{folder.name}")
    shutil.rmtree(before, ignore_errors=True)
    if folder.exists():
        folder.rename(before)
    tmp.rename(folder)
    shutil.rmtree(before, ignore_errors=True)


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
    written = read_config(folder)
    settings, shape = written["settings"], TokenShape(**_tuples(written["shape"]))
    for kind, wanted in written["fingerprints"].items():
        check_fingerprint(folder, kind, wanted, fingerprints[kind])
    trained = "all" if settings.get("train_llm") else "lora" if settings["lora_rank"] else "none"
    name = str(folder / LLM) if trained == "all" else located(folder, settings["llm"])
    tokenizer, llm = load_llm(name, settings["dtype"], settings.get("quantize", "none"))
    identity, there = written["llm"]["identity"], llm_identity(name, llm)
    if identity != there:
        raise CheckpointError(
            f"{folder}: tuned with LLM {settings['llm']} {identity}, found {there}; "
            "run stage tune again"
        )
    if trained == "lora":
        try:
            llm = lora.load(llm, folder / ADAPTER)
        except (OSError, ValueError, SafetensorError, RuntimeError) as error:
            raise CheckpointError(f"{folder / ADAPTER}: cannot be read: {error}") from error
    chat = Chat(tokenizer)
    model = LmmVqa(llm, shape, chat)
    try:
        model.projector.load_state_dict(load_file(folder / PROJECTOR))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{folder / PROJECTOR}: cannot be read: {error}") from error
    model.to(on_device(device)).eval()
    of_before = "taught" not in written
    if of_before and shape.projector == "vit":
        raise CheckpointError(
            f"{folder}: its vit projector was tuned with another activation than CLIP's own, which "
            "it has now; run stage tune again"
        )
    if shape.time == "mean" and "answer_weight" not in settings:
        raise CheckpointError(
            f"{folder}: tuned when time: mean averaged tokens before they were standardised, not "
            "behind the projector's first layers; run stage tune again"
        )
    random = tuple(written["random_encoders"])
    calibration = _score_map(written.get("calibration"))
    sources = [facts.get("mos_source") for facts in written.get("data", {}).values()]
    if of_before and len([source for source in sources if source != "none"]) > 1:
        calibration = None  # one map for the scales of several sets
    compares = settings.get("pairs", 0) > 0
    std = settings["level_std"]
    # one of before does not say, and nothing asked for a severity then
    taught = {**EVERYTHING, "severity": ()} if of_before else written["taught"]
    return Head(model, chat, shape, std, random, trained, calibration, compares, taught)


def kinds_read(folder: Path) -> tuple[Kind, ...]:
    """Return the kinds of tokens that a checkpoint reads: spatial, temporal or both."""
    return tuple(read_config(folder)["fingerprints"])


def located(folder: Path, name: str) -> str:
    """Return where weights lie that a checkpoint names: a path, or the name as it is (a hub's).

    A relative path may start from the checkpoint's folder, from here, or from a folder above the
    checkpoint, as `data/weights` does in the project that made it.
    """
    for start in (folder.absolute(), Path.cwd(), *folder.absolute().parents):
        if (start / name).exists():
            return str(start / name)
    return name


def identity(folder: Path) -> str:
    """Return a short hash that two checkpoints share only if they give the same answers."""
    digest = hashlib.sha256()
    written = read_config(folder)
    settings = {**written["settings"], "llm": ""}  # where weights lie does not change answers
    digest.update(
        canonical(
            {
                "settings": settings,
                "llm": written["llm"]["identity"],
                "fingerprints": written["fingerprints"],
                "calibration": written.get("calibration"),
                **({"taught": written["taught"]} if "taught" in written else {}),
            }
        ).encode()
    )
    for path in (folder / PROJECTOR, *sorted((folder / ADAPTER).glob("*.safetensors"))):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def read_config(folder: Path) -> dict[str, Any]:
    """Return config.json of a checkpoint.

    Raises:
        CheckpointError: if there is none, or it is not of this project.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; run stage tune first, or name another folder")
    try:
        written: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if written["schema"] != SCHEMA:
            raise CheckpointError(f"{path}: schema {written['schema']}; wanted {SCHEMA}")
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: not a checkpoint of this project: {error!r}") from error
    return written


def check_fingerprint(
    folder: Path, kind: str, wanted: Mapping[str, Any], found: Mapping[str, Any]
) -> None:
    """Raise CheckpointError, with what differs, unless tokens are those that were tuned on."""
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


def _score_map(found: Mapping[str, Any] | None) -> ScoreMap | None:
    return None if found is None else ScoreMap(tuple(found["score"]), tuple(found["mos"]))


def _tuples(shape: Mapping[str, Any]) -> dict[str, Any]:
    return {**shape, "spatial": tuple(shape["spatial"])}
