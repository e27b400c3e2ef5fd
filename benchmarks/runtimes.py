"""The demo's networks in other runtimes against what runs them here. Prints Markdown.

    pip install openvino onnx onnxruntime    # any of them; none is a dependency
    python -m benchmarks.runtimes            # a minute

One thread, float32, the same inputs in memory, without resizing and statistics; processor time,
in turns. torch.compile needs a C++ compiler. What is not there is said and left out.
docs/performance.md tells why no such runtime was taken.
"""

import io
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.bare import bare, inputs
from benchmarks.measure import KINDS, in_turns, keep_memory, networks, ratio
from encoders import onednn

TURNS = 9
NAMES = {"spatial": "EfficientNet-Lite0", "temporal": "I3D"}
Run = Callable[[Tensor], NDArray[np.float32]]


def here(net: nn.Module, _: Tensor) -> Run:
    """Return the network as the encoders have it."""
    ours = onednn.ready(onednn.fold(net), "cpu", "float32")
    return lambda x: ours(x).numpy()


def by_openvino(net: nn.Module, x: Tensor) -> Run:
    """Return the network in OpenVINO."""
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    model = openvino.convert_model(onednn.fold(net), example_input=x, input=[tuple(x.shape)])
    other = openvino.Core().compile_model(model, "CPU", settings)
    return lambda x: other(x.numpy())[0]


def by_onnxruntime(net: nn.Module, x: Tensor) -> Run:
    """Return the network in ONNX Runtime, with all that it does to a graph."""
    import onnxruntime

    file, options = io.BytesIO(), onnxruntime.SessionOptions()
    torch.onnx.export(onednn.fold(net), (x,), file, input_names=["x"], dynamo=False)
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    other = onnxruntime.InferenceSession(
        file.getvalue(), options, providers=["CPUExecutionProvider"]
    )
    return lambda x: other.run(None, {"x": x.numpy()})[0]


def by_compile(net: nn.Module, x: Tensor) -> Run:
    """Return the network compiled by inductor, channels last."""
    last = torch.channels_last if x.ndim == 4 else torch.channels_last_3d
    laid_out = onednn.fold(net).to(memory_format=last)  # type: ignore[call-overload]
    compiled = torch.compile(laid_out, fullgraph=True, options={"freezing": True})

    def run(x: Tensor) -> NDArray[np.float32]:
        return compiled(x.contiguous(memory_format=last)).numpy()

    run(x)  # compiles
    return run


OTHERS = {"OpenVINO": by_openvino, "ONNX Runtime": by_onnxruntime, "torch.compile": by_compile}


def main() -> None:
    """Print a row per network and runtime."""
    nets = networks()
    keep_memory()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # of what exports trace
    print("| network | runtime | here, core ms | there, core ms | times faster | off by at most |")
    print("|---|---|---|---|---|---|")
    with torch.inference_mode():
        for kind in KINDS:
            x = inputs(nets, kind, 1)
            runs = {"here": here(bare(nets)[kind], x)}
            for name, made in OTHERS.items():
                try:
                    runs[name] = made(bare(nets)[kind], x)
                except (ImportError, RuntimeError) as error:
                    reason = str(error).strip().splitlines()[0]
                    print(f"| {NAMES[kind]} | {name} | | not run: {reason} | | |", flush=True)
            ways = {name: partial(run, x) for name, run in runs.items()}
            times = in_turns(ways, TURNS, time.process_time)
            ours = runs.pop("here")(x)
            here_ms = 1000 * statistics.median(times["here"])
            for name, run in runs.items():
                there_ms, faster = 1000 * statistics.median(times[name]), ratio(times, "here", name)
                off = np.abs(ours - run(x)).max() / np.abs(ours).max()
                row = f"{here_ms:.1f} | {there_ms:.1f} | {faster:.2f} | {off:.1e}"
                print(f"| {NAMES[kind]} | {name} | {row} |", flush=True)


if __name__ == "__main__":
    main()
