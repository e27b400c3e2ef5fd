"""Network weights: read without running code of the file, loaded without gaps, known by hash."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn


class EncoderError(RuntimeError):
    """An encoder cannot be built or fed: weights, settings or input do not fit the network."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read tensors by name from a safetensors file or a torch checkpoint.

    A torch checkpoint is a pickle: only tensors and plain containers are admitted
    (`weights_only`). The wrappers `state_dict` and `model_state` are opened.

    Raises:
        EncoderError: if there is no such file, or it holds anything but tensors by name.
    """
    if not path.is_file():
        raise EncoderError(f"{path}: no such weights file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # on a broken file torch raises whatever its reader meets
        raise EncoderError(f"{path}: not a file of weights: {error}") from error
    for wrapper in ("state_dict", "model_state"):
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping) or not all(isinstance(v, Tensor) for v in found.values()):
        raise EncoderError(f"{path}: does not hold tensors by name")
    return dict(found)


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Copy weights into a module; nothing may be missing, left over or of another shape.

    Raises:
        EncoderError: with the first few names that do not fit.
    """
    wanted = module.state_dict()
    missing = sorted(wanted.keys() - state.keys())
    unexpected = sorted(state.keys() - wanted.keys())
    shapes = [
        f"{name} is {tuple(state[name].shape)}, wanted {tuple(wanted[name].shape)}"
        for name in sorted(wanted.keys() & state.keys())
        if state[name].shape != wanted[name].shape
    ]
    if missing or unexpected or shapes:
        raise EncoderError(
            f"{source}: does not fit {type(module).__name__}: {len(missing)} tensors missing "
            f"{missing[:3]}, {len(unexpected)} unexpected {unexpected[:3]}, "
            f"{len(shapes)} of another shape {shapes[:3]}"
        )
    module.load_state_dict(dict(state))


def sha256(module: nn.Module) -> str:
    """Return the SHA-256 over the names, types, shapes and bytes of a module's tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


@contextmanager
def seeded() -> Iterator[None]:
    """Within it, random weights are the same each time; the caller's random state is kept."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
