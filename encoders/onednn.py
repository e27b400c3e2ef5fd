"""Networks for inference on one CPU thread: normalisation folded, channels last, oneDNN throughout.

PyTorch gives a convolution of one small input on one thread to loops of its own, which take up to
three times as long as oneDNN's: those with kernels of size 1, and those of maps of at most 20,480
numbers (`use_mkldnn` in its Convolution.cpp). Videos are encoded one second at a time, on a thread
per core, so that many of ours are such. Results differ in the last bits.
"""

from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from encoders import prepare

_LAST = {nn.Conv2d: torch.channels_last, nn.Conv3d: torch.channels_last_3d}

Network = TypeVar("Network", bound=nn.Module)


def fold(net: Network) -> Network:
    """Multiply each batch normalisation into the convolution that is listed right before it.

    Args:
        net: in evaluation mode, its children listed in the order in which they are called; changed
            in place. Of a normalisation with an activation in it (timm's), that stays.
    """
    for parent in list(net.modules()):
        children: list[tuple[str, Any]] = list(parent.named_children())
        for (name, module), (next_name, follows) in pairwise(children):
            if type(module) in _LAST and isinstance(follows, nn.BatchNorm2d | nn.BatchNorm3d):
                setattr(parent, name, fuse_conv_bn_eval(module, follows))
                setattr(parent, next_name, getattr(follows, "act", nn.Identity()))
    return net


def ready(net: Network, device: str, dtype: prepare.Dtype) -> Network:
    """Move a network to where, and to what, it computes in; changes `net` in place."""
    net.to(device, getattr(torch, dtype))
    # other numbers than float32 are for GPUs; oneDNN has them on some CPUs only
    return through_onednn(net, device) if dtype == "float32" else net


def through_onednn(net: Network, device: str) -> Network:
    """Give all convolutions to oneDNN if `device` is the CPU and has it; changes `net` in place."""
    has_it = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if torch.device(device).type == "cpu" and has_it:
        for parent in list(net.modules()):
            for name, module in list(parent.named_children()):
                if type(module) in _LAST and not isinstance(module.padding, str):
                    setattr(parent, name, _Convolution(module))
    return net


class _Convolution(nn.Module):
    """A convolution that oneDNN computes whatever its size, on channels that lie last."""

    def __init__(self, of: Any) -> None:
        super().__init__()
        self._layout = _LAST[type(of)]
        self.weight = nn.Parameter(of.weight.to(memory_format=self._layout), requires_grad=False)
        self.bias = of.bias
        self._rest = list(of.padding), list(of.stride), list(of.dilation), of.groups

    def forward(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=self._layout)
        y: Tensor = torch.ops.aten.mkldnn_convolution(x, self.weight, self.bias, *self._rest)
        return y
