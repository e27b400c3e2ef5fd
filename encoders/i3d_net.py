"""The I3D network (Carreira and Zisserman, arXiv:1705.07750) on RGB, up to its last block.

Every convolution pads as TensorFlow's "SAME" does, so the input's size may be anything; a block's
output is its input divided by the strides, rounded up.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from encoders.weights import EncoderError

# output channels: branch 0; 1x1 and 3x3x3 of branch 1; 1x1 and 3x3x3 of branch 2; branch 3
_MIXED = {
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}
_NAMES = {  # ours: the checkpoint's
    "1a": "Conv3d_1a_7x7",
    "2b": "Conv3d_2b_1x1",
    "2c": "Conv3d_2c_3x3",
    "branch_0": "Branch_0/Conv3d_0a_1x1",
    "branch_1.0": "Branch_1/Conv3d_0a_1x1",
    "branch_1.1": "Branch_1/Conv3d_0b_3x3",
    "branch_2.0": "Branch_2/Conv3d_0a_1x1",
    "branch_2.1": "Branch_2/Conv3d_0b_3x3",
    "branch_3": "Branch_3/Conv3d_0b_1x1",
}
_ARRAYS = {
    "conv.weight": "params/{}/Conv_0/kernel",
    "bn.bias": "params/{}/BatchNorm_0/bias",
    "bn.running_mean": "batch_stats/{}/BatchNorm_0/mean",
    "bn.running_var": "batch_stats/{}/BatchNorm_0/var",
}
_IGNORED = "Logits/Conv3d_0c_1x1"  # the classifier of actions


class I3D(nn.Module):
    """The blocks 1a, 2a, ... 5c in order; `forward` returns those asked for."""

    def __init__(self) -> None:
        super().__init__()
        blocks: dict[str, nn.Module] = {
            "1a": _Unit(3, 64, 7, 2),
            "2a": _MaxPool((1, 3, 3), (1, 2, 2)),
            "2b": _Unit(64, 64, 1, 1),
            "2c": _Unit(64, 192, 3, 1),
            "3a": _MaxPool((1, 3, 3), (1, 2, 2)),
        }
        channels = 192
        for name, out in _MIXED.items():
            if name == "4b":
                blocks["4a"] = _MaxPool((3, 3, 3), (2, 2, 2))
            if name == "5b":
                blocks["5a"] = _MaxPool((2, 2, 2), (2, 2, 2))
            blocks[name] = _Mixed(channels, out)
            channels = out[0] + out[2] + out[4] + out[5]
        self.blocks = nn.ModuleDict(blocks)

    def forward(self, x: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        """Return the outputs ``(N, C, T, H, W)`` of `layers`; later blocks are not computed.

        Args:
            x: float32 ``(N, 3, T, H, W)``, RGB from -1 to 1.
            layers: names of blocks.
        """
        found: dict[str, Tensor] = {}
        for name, block in self.blocks.items():
            if len(found) == len(set(layers)):
                break
            x = block(x)
            if name in layers:
                found[name] = x
        return found


class _Unit(nn.Module):
    """Convolution, batch normalisation and ReLU."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self._kernel, self._stride = (kernel,) * 3, (stride,) * 3
        # with stride 1 "SAME" is symmetric and the convolution's own padding is faster
        padding = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv3d(channels, out, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm3d(out, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        if self._stride != (1, 1, 1):
            x = _pad_same(x, self._kernel, self._stride)
        return functional.relu(self.bn(self.conv(x)), inplace=True)


class _MaxPool(nn.Module):
    """Max pooling; padding with zeros is exact, since every input comes from a ReLU."""

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self._kernel, self._stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        x = _pad_same(x, self._kernel, self._stride)
        return functional.max_pool3d(x, self._kernel, self._stride)


class _Mixed(nn.Module):
    """Four branches joined on channels (Inception)."""

    def __init__(self, channels: int, out: tuple[int, ...]) -> None:
        super().__init__()
        self.branch_0 = _Unit(channels, out[0], 1, 1)
        self.branch_1 = nn.Sequential(_Unit(channels, out[1], 1, 1), _Unit(out[1], out[2], 3, 1))
        self.branch_2 = nn.Sequential(_Unit(channels, out[3], 1, 1), _Unit(out[3], out[4], 3, 1))
        self.branch_3 = _Unit(channels, out[5], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = functional.max_pool3d(x, 3, stride=1, padding=1)
        return torch.cat(
            [self.branch_0(x), self.branch_1(x), self.branch_2(x), self.branch_3(pooled)], dim=1
        )


def _pad_same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Pad the last three axes with zeros, the odd one at the end, as TensorFlow does."""
    pads: list[int] = []
    for size, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        total = max((-(-size // s) - 1) * s + k - size, 0)
        pads = [total // 2, total - total // 2, *pads]  # functional.pad starts at the last axis
    return functional.pad(x, pads) if any(pads) else x


def state_dict_from_arrays(variables: Mapping[str, Any]) -> dict[str, Tensor]:
    """Name and lay out the arrays of the Flax checkpoint as `I3D` wants them.

    Args:
        variables: nested dicts of arrays: `params` with kernels ``(T, H, W, I, O)`` and the
            normalisation's biases, `batch_stats` with its means and variances. The normalisation
            has no scale.

    Raises:
        EncoderError: if anything is missing, left over, or of another shape.
    """
    arrays = _flat(variables)
    state: dict[str, Tensor] = {}
    for name, wanted in I3D().state_dict().items():
        unit, kind, part = name.removeprefix("blocks.").rsplit(".", 2)
        source = _ARRAYS.get(f"{kind}.{part}")
        if source is None:  # the normalisation's scale (1, the checkpoint has none) and its counter
            state[name] = wanted
            continue
        array = _take(arrays, source.format(_source(unit)))
        array = array.transpose(4, 3, 0, 1, 2) if kind == "conv" else array.ravel()
        if array.shape != tuple(wanted.shape):
            raise EncoderError(f"{name}: shape {array.shape}, wanted {tuple(wanted.shape)}")
        state[name] = torch.from_numpy(np.ascontiguousarray(array, np.float32))
    left = [name for name in arrays if _IGNORED not in name]
    if left:
        raise EncoderError(f"the checkpoint has {len(left)} arrays that I3D has not: {left[:3]}")
    return state


def _source(unit: str) -> str:
    """Return the checkpoint's name of a unit.

    >>> _source("2c"), _source("3b.branch_1.0")
    ('Conv3d_2c_3x3', 'Mixed_3b/Branch_1/Conv3d_0a_1x1')
    """
    block, _, branch = unit.partition(".")
    return f"Mixed_{block}/{_NAMES[branch]}" if branch else _NAMES[block]


def _take(arrays: dict[str, NDArray[np.float32]], name: str) -> NDArray[np.float32]:
    if name not in arrays:
        raise EncoderError(f"the checkpoint has no array {name}")
    return arrays.pop(name)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, NDArray[np.float32]]:
    """Join the keys of nested dicts with `/`."""
    flat: dict[str, NDArray[np.float32]] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}/")
        else:
            flat[prefix + key] = value
    return flat
