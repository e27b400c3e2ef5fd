"""The networks of the encoders bare: no resizing, no statistics, as far as the last layer read."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.measure import Networks
from encoders import i3d
from encoders.i3d_net import I3D
from encoders.tower import build
from encoders.weights import load_strictly, read_state_dict, seeded
from pipeline.cache import Kind


class Motion(nn.Module):
    """I3D up to a block."""

    def __init__(self, net: nn.Module, last: str) -> None:
        super().__init__()
        self.net, self._last = net, last

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's map ``(N, C, T, H, W)`` of clips ``(N, 3, T, H, W)``."""
        found: Tensor = self.net(x, (self._last,))[self._last]
        return found


class Picture(nn.Module):
    """A convolutional tower up to a stage."""

    def __init__(self, trunk: Any, last: int) -> None:
        super().__init__()
        self.trunk, self._last = trunk, last

    def forward(self, x: Tensor) -> Tensor:
        """Return the stage's map ``(N, C, H, W)`` of images ``(N, 3, H, W)``."""
        found: Tensor = self.trunk.forward_intermediates(
            x, indices=[self._last], stop_early=True, intermediates_only=True
        )[0]
        return found


def bare(nets: Networks) -> dict[Kind, nn.Module]:
    """Return networks as PyTorch runs them, in evaluation mode; new ones at each call.

    Raises:
        SystemExit: if params.yaml names other networks than I3D and convolutional towers.
    """
    spatial, temporal = nets.spatial, nets.temporal
    tower: Any = build(spatial.model, spatial.pretrained, spatial.size_px)[0]
    if temporal.model != "i3d" or not hasattr(getattr(tower, "trunk", None), "feature_info"):
        raise SystemExit(
            f"params.yaml names {spatial.model} and {temporal.model}; bare networks are measured "
            "of the demo's, efficientnet_lite0 (or another convolutional tower of timm) and i3d"
        )
    with seeded():
        net = I3D()
    if temporal.pretrained != "random":
        load_strictly(net, read_state_dict(Path(temporal.pretrained)), temporal.pretrained)
    blocks = [name for name in net.blocks if name in temporal.layers] or [i3d.LAST]
    stage = max(spatial.layers, default=len(tower.trunk.feature_info) - 1)
    made: dict[Kind, nn.Module] = {
        "spatial": Picture(tower.trunk, stage),
        "temporal": Motion(net, blocks[-1]),
    }
    return {kind: network.eval().requires_grad_(False) for kind, network in made.items()}


def inputs(nets: Networks, kind: Kind, seconds: int) -> Tensor:
    """Return made-up input of so many seconds: images of key frames, or clips."""
    torch.manual_seed(0)
    if kind == "temporal":
        side = nets.temporal.size_px
        return torch.rand(seconds, 3, nets.temporal.frames, side, side) * 2 - 1
    side, (rows, columns) = nets.spatial.size_px, nets.spatial.crops
    return torch.randn(seconds * rows * columns, 3, side, side)
