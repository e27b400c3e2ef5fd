"""The encoders alone, on frames in memory: as the stage runs them, and in other ways.

The stage encodes one second at a time on one thread, so that a token depends on nothing but its
second. What that costs is the best of the other ways: batches of seconds, memory formats, threads,
and the convolutions that PyTorch takes by itself.
"""

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.bare import bare, inputs
from benchmarks.measure import (
    KINDS,
    Networks,
    Row,
    apart,
    clocks,
    copied,
    in_turns,
    keep_memory,
    ratio,
)
from encoders import onednn, prepare
from pipeline.cache import Kind
from pipeline.encode import Encoder
from pipeline.video import chunks

CORES = len(os.sched_getaffinity(0))
LAYOUTS = {
    "channels last": {"spatial": torch.channels_last, "temporal": torch.channels_last_3d},
    "contiguous": dict.fromkeys(KINDS, torch.contiguous_format),
}


def encoders(path: Path, nets: Networks, turns: int) -> list[Row]:
    """Compare what the encoders take on a second's frames with their parts and with threads."""
    chunk = copied(next(chunks(path, nets.temporal.frames)))
    spatial, temporal = nets.built("spatial"), nets.built("temporal")

    def on_all_cores(encode: Encoder, array: np.ndarray) -> None:
        torch.set_num_threads(CORES)
        encode([array])
        torch.set_num_threads(1)

    small = np.stack(prepare.clip(chunk.clip, nets.temporal.frames, nets.temporal.size_px))
    wall, times = apart(
        in_turns(
            {
                "spatial": lambda: spatial([chunk.key_frame]),
                "temporal": lambda: temporal([chunk.clip]),
                "resized": lambda: temporal([small]),
                "spatial, threads": lambda: on_all_cores(spatial, chunk.key_frame),
                "temporal, threads": lambda: on_all_cores(temporal, chunk.clip),
            },
            turns,
            clocks,
        )
    )
    size = f"a second of {path.stem} lines"
    took = {name: 1000 * statistics.median(of) for name, of in times.items()}
    resize = [1 - b / a for a, b in zip(times["temporal"], times["resized"], strict=True)]
    return [
        Row("spatial encoder", took["spatial"], "core ms", "", size, nets.weights),
        Row("temporal encoder", took["temporal"], "core ms", "", size, nets.weights),
        Row("temporal encoder, resizing", 100 * statistics.median(resize), "%", "its time", size,
            nets.weights),
        *(
            Row(f"{kind} encoder, {CORES} threads", ratio(wall, kind, f"{kind}, threads") / CORES,
                "x", f"{CORES} times one thread", size, nets.weights)
            for kind in KINDS
        ),
    ]  # fmt: skip


@dataclass(frozen=True)
class Way:
    """One way to run a network; as it stands, the stage's."""

    through: str = "oneDNN"  # convolutions with the normalisation in them; or as PyTorch runs them
    layout: str = "channels last"
    seconds: int = 1  # of a batch
    threads: int = 1

    def __str__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.through}, {self.layout}, {self.seconds} s at once, {threads}"


def ways(seconds: Sequence[int]) -> list[Way]:
    """Return the stage's way, and others that differ in one or two things.

    Args:
        seconds: sizes of batches, in order.
    """
    most = seconds[-1]
    return [
        *(Way(seconds=count) for count in seconds),
        *(Way("PyTorch", seconds=count) for count in seconds),
        Way(layout="contiguous", seconds=most),
        Way(seconds=most, threads=CORES),
        Way("PyTorch", seconds=most, threads=CORES),
    ]


def batches(path: Path, nets: Networks, seconds: Sequence[int], turns: int) -> list[Row]:
    """Compare the networks in other ways with the stage's, and name the best.

    Figures are core seconds per second of video: the clock's, times threads. Batches are of the
    network; frames are resized, and statistics taken, one second after the other either way. It
    runs in a process of its own, which keeps its memory: what is freed would else cost large
    batches most.

    Args:
        path: a video, whose first second the whole encoder is given.
        seconds: sizes of batches, from 1 up.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), keep_memory) as pool:
        return [
            row
            for kind in KINDS
            for row in pool.submit(_batches, kind, path, nets, seconds, turns).result()
        ]


def _batches(
    kind: Kind, path: Path, nets: Networks, seconds: Sequence[int], turns: int
) -> list[Row]:
    chunk = copied(next(chunks(path, nets.temporal.frames)))
    encode, frames = nets.built(kind), chunk.key_frame if kind == "spatial" else chunk.clip
    tasks: dict[Way, Callable[[], object]] = {}
    for way in ways(seconds):
        net, memory = network(nets, kind, way.through, way.layout), LAYOUTS[way.layout][kind]
        x = inputs(nets, kind, way.seconds).contiguous(memory_format=memory)
        tasks[way] = partial(_run, net, x, way.threads)
    named = {str(way): task for way, task in tasks.items()}
    times = in_turns({"encoder": partial(encode, [frames]), **named}, turns)
    took = {way: statistics.median(times[str(way)]) * way.threads / way.seconds for way in tasks}
    size = f"a second of {path.stem} lines"
    return _compared(kind, took, statistics.median(times["encoder"]), size, nets)


def _compared(
    kind: Kind, took: Mapping[Way, float], whole_s: float, size: str, nets: Networks
) -> list[Row]:
    """Return a row per way, and what the best of them gives the network and the whole encoder."""
    now, best = took[Way()], min(took, key=lambda way: took[way])
    name, against = f"the best of them: {best}", "one second at a time as the stage runs it"
    made, x = [], inputs(nets, kind, 1)
    for way, core_s in took.items():
        made.append(Row(f"{kind} network: {way}", 1000 * core_s, "core ms a second", "",
                        f"{tuple(x.shape)} a second", nets.weights))  # fmt: skip
    network_x, encoder_x = now / took[best], whole_s / (whole_s - now + took[best])
    return [
        *made,
        Row(f"{kind} network, {name}, times faster", network_x, "x", against, size, nets.weights),
        Row(f"{kind} encoder, {name}, times faster", encoder_x, "x", against, size, nets.weights),
    ]


def network(nets: Networks, kind: Kind, through: str, layout: str) -> nn.Module:
    """Return a bare network that runs so."""
    net, memory = bare(nets)[kind], LAYOUTS[layout][kind]
    if through == "PyTorch":
        return net.to(memory_format=memory)  # type: ignore[call-overload, no-any-return]
    layouts = {nn.Conv2d: memory, nn.Conv3d: memory}
    with patch("encoders.onednn._LAST", layouts):  # which layout it hands to oneDNN
        return onednn.ready(onednn.fold(net), "cpu", "float32")


def _run(net: nn.Module, x: Tensor, threads: int) -> None:
    torch.set_num_threads(threads)
    with torch.inference_mode():
        net(x)
    torch.set_num_threads(1)
