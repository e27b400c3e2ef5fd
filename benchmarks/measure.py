"""What the groups of `benchmarks.bench` share: rows, runs in turns, the machine, made-up videos."""

import ctypes
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from pipeline.cache import Kind
from pipeline.encode import Encoder, Target, encoder
from pipeline.settings import RunSettings, SpatialSettings, TemporalSettings, load
from pipeline.video import Chunk

ROOT = Path(__file__).parents[1]
RUN = RunSettings(scheduler="none", device="cpu")
SHA256 = "0" * 64  # of a video that nobody hashed
KINDS: tuple[Kind, ...] = ("spatial", "temporal")
Times = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: what was measured.
        value: the figure.
        unit: of it; x is a ratio of two times within one run.
        against: what it is relative to.
        size: of the input.
        weights: whose networks ran; empty: none did.
        goal: what is wanted, such as `<= 1.1`; empty: nothing.
    """

    name: str
    value: float
    unit: str
    against: str = ""
    size: str = ""
    weights: str = ""
    goal: str = ""

    @property
    def met(self) -> bool | None:
        """Say whether the goal is met; None: there is none."""
        if not self.goal:
            return None
        sign, wanted = self.goal.split()
        return self.value <= float(wanted) if sign == "<=" else self.value >= float(wanted)


def in_turns(
    tasks: Mapping[str, Callable[[], object]],
    turns: int,
    clock: Callable[[], Any] = time.perf_counter,
    before: Callable[[], object] = lambda: None,
    warm: bool = False,
) -> dict[str, list[Any]]:
    """Return the times of each task, taken in turns so that all meet the same machine.

    A turn before the first is not counted: it warms up, unless the caller has done so (`warm`). Nor
    is `before`, called before each task.
    """
    times: dict[str, list[Any]] = {name: [] for name in tasks}
    for turn in range(int(warm), turns + 1):
        for name, task in tasks.items():
            before()
            began = clock()
            task()
            if turn:
                times[name].append(np.maximum(clock() - began, 1e-6))  # a clock's ticks are 10 ms
    return times


def processor_s() -> float:
    """Return the processor seconds so far of this process and of all that it has started.

    Where other work shares the cores, this says what the clock on the wall cannot.
    """
    here = psutil.Process()
    total = time.process_time() + sum(here.cpu_times()[2:4])  # and of children that have ended
    for process in here.children(recursive=True):
        with suppress(psutil.NoSuchProcess, OSError):
            total += sum(process.cpu_times()[2:4])
            # Linux's clock of another process: psutil's counts in hundredths of a second
            total += time.clock_gettime((~process.pid << 3) | 2)
    return total


def clocks() -> NDArray[np.float64]:
    """Return seconds on the wall, and of processors."""
    return np.array([time.perf_counter(), processor_s()])


def apart(times: Mapping[str, Sequence[NDArray[np.float64]]]) -> tuple[Times, Times]:
    """Return the times by each of the two `clocks`."""
    wall, cpu = ({name: [t[i] for t in of] for name, of in times.items()} for i in (0, 1))
    return wall, cpu


def ratio(times: Times, above: str, below: str) -> float:
    """Return the median over turns of one task's time relative to another's.

    >>> ratio({"a": [2, 3, 8], "b": [1, 1, 2]}, "a", "b")
    3.0
    """
    return statistics.median(a / b for a, b in zip(times[above], times[below], strict=True))


def keep_memory() -> None:
    """Let this process keep the memory that it has freed, for good; only glibc can.

    Else glibc returns large pieces to the system, and each run of a network, or of a batch, may pay
    for fresh pages: up to twice its time, by what the process did before.
    """
    if set_option := getattr(ctypes.CDLL(None), "mallopt", None):
        trim_threshold, mmap_max = -1, -4  # malloc.h
        set_option(trim_threshold, 2**31 - 1)
        set_option(mmap_max, 0)


def machine() -> dict[str, str | int | float]:
    """Return what the figures depend on beside the code."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    # the last core's; a name such as "AMD EPYC" leaves open which generation it is
    about = {key.strip(): value.strip() for key, _, value in (li.partition(":") for li in lines)}
    name = about.get("model name") or platform.processor()
    if "cpu family" in about:
        name += f" (family {about['cpu family']}, model {about.get('model', 'unknown')})"
    return {
        "cpu": name,
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "cores": len(os.sched_getaffinity(0)),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "torch": torch.__version__,
        "load_before": round(os.getloadavg()[0], 2),
    }


@dataclass(frozen=True)
class Networks:
    """The demo's encoders: with their own weights where stage weights has made them."""

    spatial: SpatialSettings
    temporal: TemporalSettings

    @property
    def weights(self) -> str:
        """Say whose weights they are."""
        random = "random" in (self.spatial.pretrained, self.temporal.pretrained)
        return f"{self.spatial.model}, {self.temporal.model}" + (" (random)" if random else "")

    def built(self, kind: str) -> Encoder:
        """Return an encoder, as a worker has it: on one thread."""
        return encoder(self.spatial if kind == "spatial" else self.temporal, "cpu")

    def targets(self, kinds: Sequence[Kind], folder: Path) -> tuple[Target, ...]:
        """Return caches to fill, each in a folder of its kind."""
        settings = {"spatial": self.spatial, "temporal": self.temporal}
        return tuple(Target(settings[kind], folder / kind) for kind in kinds)


def networks() -> Networks:
    """Return the encoders of params.yaml; random weights cost what real ones do."""
    found = load(ROOT / "params.yaml")

    def here(settings: SpatialSettings | TemporalSettings) -> dict[str, str]:
        path = ROOT / settings.pretrained
        return {"pretrained": str(path) if path.is_file() else "random"}

    return Networks(
        found.spatial.model_copy(update=here(found.spatial)),
        found.temporal.model_copy(update=here(found.temporal)),
    )


def copied(chunk: Chunk) -> Chunk:
    """Return a chunk that stays when the decoder goes on."""
    return Chunk(chunk.start_s, chunk.key_frame.copy(), chunk.clip.copy())


def made_up_video(path: Path, height: int, seconds: float, fps: int = 30) -> Path:
    """Write a moving, textured, noisy H.264 video, 16:9, at a tenth of a bit per pixel.

    That is 6 Mbit/s at 1080 lines, as in streaming; pictures of B type as encoders make them.
    """
    width = height * 16 // 9 // 2 * 2
    rng = np.random.default_rng(0)
    count = round(seconds * fps)
    coarse = rng.integers(20, 235, (-(-height // 8), width // 8 + 3 * count // 8 + 1, 3), np.uint8)
    picture = coarse.repeat(8, axis=0).repeat(8, axis=1)[:height]
    noise = rng.integers(-8, 9, (height + 64, width + 64, 3), np.int8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = width * height * fps // 10
        stream.options = {"preset": "veryfast"}
        for n in range(count):
            top, left = rng.integers(0, 64, 2)  # another noise for each frame
            moved = picture[:, 3 * n : 3 * n + width]
            frame = (moved + noise[top : top + height, left : left + width]).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path
