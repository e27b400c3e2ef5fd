"""The demo's networks in OpenVINO against what runs them here. Prints Markdown.

    pip install openvino && python -m benchmarks.runtimes    # half a minute; it is no dependency

One thread, the same inputs in memory, float32, without resizing and statistics.
docs/performance.md tells why no such runtime was taken.
"""

import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.measure import in_turns, networks, ratio
from encoders import i3d_net, onednn
from encoders.tower import build
from encoders.weights import load_strictly, read_state_dict

TURNS = 9


class Motion(nn.Module):
    """I3D up to the last block that the demo reads."""

    def __init__(self, net: nn.Module, last: str) -> None:
        super().__init__()
        self.net, self._last = net, last

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.net(x, (self._last,))[self._last]
        return found


class Stages(nn.Module):
    """EfficientNet up to the last stage that the demo reads."""

    def __init__(self, tower: Any, count: int) -> None:
        super().__init__()
        trunk = tower.trunk
        self.layers = nn.Sequential(trunk.conv_stem, trunk.bn1, *list(trunk.blocks)[:count])

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


def main() -> None:
    """Print a row per network."""
    try:
        import openvino
    except ImportError:
        sys.exit(__doc__)
    nets = networks()
    spatial, temporal = nets.spatial, nets.temporal
    motion, (tower, _) = i3d_net.I3D(), build(spatial.model, spatial.pretrained, spatial.size_px)
    if temporal.pretrained != "random":
        load_strictly(motion, read_state_dict(Path(temporal.pretrained)), temporal.pretrained)
    # timm's name of where a stage ends: blocks.4
    blocks = int(tower.trunk.feature_info[int(spatial.layers[-1])]["module"].split(".")[1]) + 1
    plain = {
        "I3D": Motion(onednn.fold(motion.eval()), temporal.layers[-1]),
        "EfficientNet-Lite0": Stages(tower.eval(), blocks),
    }
    side = temporal.size_px
    inputs = {
        "I3D": torch.rand(1, 3, temporal.frames, side, side) * 2 - 1,
        "EfficientNet-Lite0": torch.randn(2, 3, spatial.size_px, spatial.size_px),
    }
    torch.set_num_threads(1)
    settings = {
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    print("| network | here, ms | OpenVINO, ms | times faster | largest difference |")
    print("|---|---|---|---|---|")
    for name, net in plain.items():
        x = inputs[name]
        model = openvino.convert_model(net, example_input=x, input=[tuple(x.shape)])
        other = openvino.Core().compile_model(model, "CPU", settings)
        ours = onednn.through_onednn(onednn.fold(net), "cpu")
        with torch.inference_mode():
            wanted, found = ours(x).numpy(), other(x.numpy())[0]
            ways = {"here": lambda o=ours, x=x: o(x), "other": lambda o=other, x=x: o(x.numpy())}
            times = in_turns(ways, TURNS, time.process_time)
        here, there = (1000 * statistics.median(times[way]) for way in ways)
        off = np.abs(wanted - found).max() / np.abs(wanted).max()
        faster = ratio(times, "here", "other")
        print(f"| {name} | {here:.0f} | {there:.0f} | {faster:.2f} | {off:.1e} |")


if __name__ == "__main__":
    main()
