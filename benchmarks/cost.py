"""What the paper's setting costs on each benchmark. Prints the tables of docs/cost.md.

    python benchmarks/cost.py     # about five minutes on two cores; needs no data and no network

Measured here: processor time for decoding, hashing and both encoders, on this CPU with
random weights (which cost what real ones do), and arithmetic operations of the encoders. Computed:
gigabytes, from the tokens' shapes. Assumed: the sizes of the benchmarks, and what a GPU sustains.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from pipeline.encode import encoder
from pipeline.hashes import frame_hash
from pipeline.settings import load
from pipeline.video import chunks

THREADS = 2
CLIP_S = 4

# videos, seconds each, height that most have; of the data sets' papers and label files
BENCHMARKS = {
    "LSVQ train": (28056, 8, 720),
    "LSVQ test": (7182, 8, 720),
    "LSVQ-1080p": (3573, 8, 1080),
    "KoNViD-1k": (1200, 8, 540),
    "LIVE-VQC": (585, 10, 720),
    "YouTube-UGC": (1142, 20, 720),
    "LIVE-YT-Gaming": (600, 9, 1080),
}
TRAINED = "LSVQ train"

# What a GPU of the A100 class sustains, in 1e12 operations a second: well below what its maker
# states (19.5 in float32, 312 in bfloat16), since encoders take one clip at a time.
ENCODER_TFLOPS = 6.0
LLM_TFLOPS = 110.0
LLM_PARAMETERS = 8.0e9
LLM_TOKENS = 8 * 258 + 2 * 60  # eight seconds of tokens, and the text of two conversations
# per parameter and token, LLM frozen: forward 2, gradients of activations 2
TRAINING_OPERATIONS, INFERENCE_OPERATIONS = 4, 2


def made_up_video(path: Path, height: int, fps: int = 30) -> Path:
    """Write a moving, textured H.264 video of CLIP_S seconds."""
    width = height * 16 // 9 // 2 * 2
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (-(-height // 8), width // 4, 3), np.uint8)
    picture = coarse.repeat(8, axis=0).repeat(8, axis=1)
    noise = rng.integers(-12, 12, (height, width, 3))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "23", "preset": "veryfast"}
        for n in range(CLIP_S * fps):
            frame = picture[:height, 3 * n : 3 * n + width]
            frame = np.clip(frame + np.roll(noise, 7 * n, axis=1), 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame))))
        container.mux(stream.encode())
    return path


def hashed(path: Path) -> list[str]:
    """Return the hashes of a video, as stage hashes makes them."""
    return [frame_hash(chunk.key_frame) for chunk in chunks(path, 0)]


def timed(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the least processor time of a few runs, in seconds of one core, after one not counted.

    Processor time, unlike time on the clock, is about the same on a busy machine.
    """
    work()
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def _convolution(x: Any, weight: Any, *_: object, out_shape: Any = None) -> int:
    return int(conv_flop_count(x, weight, out_shape))


def operations(work: Callable[[], object]) -> float:
    """Return the floating-point operations of a run, in 1e9; a multiply-add counts as two."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused attention is not counted
    # ours go to oneDNN by a call that PyTorch's counter does not know
    known = {torch.ops.aten.mkldnn_convolution: _convolution}
    with FlopCounterMode(display=False, custom_mapping=known) as counter:
        work()
    torch.backends.mha.set_fastpath_enabled(fast)
    return counter.get_total_flops() / 1e9


def main() -> None:
    """Measure, and print Markdown."""
    params = load(Path(__file__).parents[1] / "profiles/paper.yaml")
    spatial = encoder(params.spatial.model_copy(update={"pretrained": "random"}), "cpu")
    temporal = encoder(params.temporal.model_copy(update={"pretrained": "random"}), "cpu")
    torch.set_num_threads(THREADS)  # processor time is what counts here, not bytes
    decode_s, hash_s = {}, {}
    frames = params.temporal.frames
    with tempfile.TemporaryDirectory() as folder:
        for height in sorted({of for _, _, of in BENCHMARKS.values()}):
            path = made_up_video(Path(folder) / f"{height}.mp4", height)
            decode_s[height] = timed(lambda p=path: list(chunks(p, frames)), 2) / CLIP_S
            hash_s[height] = timed(lambda p=path: hashed(p), 2) / CLIP_S
            print(f"{height} lines done", file=sys.stderr)
        chunk = next(chunks(path, frames))
    parts = {
        "spatial (ViT-L/14, one key frame)": (spatial, [chunk.key_frame]),
        "temporal (SlowFast R50, 32 frames of 224 px)": (temporal, [chunk.clip]),
    }
    cpu_s, gflop, kilobytes = {}, {}, {}
    for name, (encode, arrays) in parts.items():
        tokens = encode(arrays)
        cpu_s[name] = timed(lambda e=encode, a=arrays: e(a))
        gflop[name] = operations(lambda e=encode, a=arrays: e(a))
        kilobytes[name] = tokens.nbytes / 1e3
    print_units(decode_s, hash_s, cpu_s, gflop, kilobytes)
    print_benchmarks(decode_s, hash_s, cpu_s, gflop, sum(kilobytes.values()))


def print_units(
    decode_s: dict[int, float],
    hash_s: dict[int, float],
    cpu_s: dict[str, float],
    gflop: dict[str, float],
    kilobytes: dict[str, float],
) -> None:
    """Print what one second of video costs."""
    print("| per second of video | core seconds | 1e9 operations | cache, kB |\n|---|---|---|---|")
    for height, seconds in decode_s.items():
        print(f"| decoding, {height} lines, 30 a second | {seconds:.2f} | | |")
    for height, seconds in hash_s.items():
        print(f"| hashes for the leak check, {height} lines | {seconds:.2f} | | |")
    for name in cpu_s:
        print(f"| {name} | {cpu_s[name]:.2f} | {gflop[name]:.0f} | {kilobytes[name]:.0f} |")
    print()


def print_benchmarks(
    decode_s: dict[int, float],
    hash_s: dict[int, float],
    cpu_s: dict[str, float],
    gflop: dict[str, float],
    kilobytes: float,
) -> None:
    """Print what each benchmark costs, one row each and their sum."""
    print(
        "| benchmark | videos | hours of video | cache, GB | decoding and hashes, core hours | "
        "encoders, core hours | encoders, GPU hours | head, GPU hours |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    totals = np.zeros(7)
    for name, (videos, seconds, height) in BENCHMARKS.items():
        length_s = videos * seconds
        passes = load(Path(__file__).parents[1] / "profiles/paper.yaml").tune.epochs
        per_video = LLM_PARAMETERS * LLM_TOKENS / (LLM_TFLOPS * 1e12) / 3600
        scale = passes * TRAINING_OPERATIONS if name == TRAINED else INFERENCE_OPERATIONS
        row = np.array(
            [
                videos,
                length_s / 3600,
                length_s * kilobytes / 1e6,
                length_s * (decode_s[height] + hash_s[height]) / 3600,
                length_s * sum(cpu_s.values()) / 3600,
                length_s * sum(gflop.values()) / 1e3 / ENCODER_TFLOPS / 3600,
                videos * scale * per_video,
            ]
        )
        totals += row
        print(f"| {name} | {_cells(row)} |")
    print(f"| **all** | {_cells(totals)} |")


def _cells(row: np.ndarray) -> str:
    videos, hours, gigabytes, core, cpu, gpu, head = row
    return (
        f"{videos:.0f} | {hours:.1f} | {gigabytes:.1f} | {core:.1f} | {cpu:.0f} | {gpu:.1f} | "
        f"{head:.1f}"
    )


if __name__ == "__main__":
    main()
