"""Memory of decoding and encoding a long film: an hour of 1080 lines against ten minutes of it.

`python benchmarks/film.py` makes the films (20 seconds of H.264, copied over and over),
reads each in a process of its own, and prints its peak. `--clip` is the number of instants per
second of film that are kept at full size; the paper's is 32.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import imageio_ffmpeg

ENCODE_EVERY = 300  # chunks: an encoder takes the same memory for each


def film(folder: Path, minutes: int, fps: str) -> Path:
    """Return a film of 1920 x 1080: twenty seconds, copied without encoding again."""
    run = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
    piece, whole = folder / "piece.mp4", folder / f"{minutes}min.mp4"
    if not piece.exists():
        made = ["-f", "lavfi", "-i", f"smptehdbars=s=1920x1080:r={fps}:d=20", "-c:v", "libx264"]
        subprocess.run([*run, *made, "-pix_fmt", "yuv420p", "-threads", "1", piece], check=True)
    again = ["-stream_loop", str(minutes * 3 - 1), "-i", piece, "-c", "copy", whole]
    subprocess.run([*run, *again], check=True)
    return whole


def peak(path: Path, clip_frames: int) -> dict[str, float]:
    """Read a film in a process of its own; return its chunks, seconds and peak in MB."""
    command = [sys.executable, __file__, "--read", str(path), "--clip", str(clip_frames)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def read(path: Path, clip_frames: int) -> dict[str, float]:
    """Decode a whole film, and run a real network over a chunk now and then."""
    from encoders.i3d import I3DEncoder
    from encoders.spatial import SpatialEncoder
    from pipeline.video import chunks

    spatial = SpatialEncoder(
        model="efficientnet_lite0",
        pretrained="random",
        layers=(1, 2, 3),
        grid=1,
        frame="crops",
        size_px=384,
        crops=(1, 2),
        device="cpu",
    )
    temporal = I3DEncoder(
        pretrained="random", layers=("2c",), frames=max(clip_frames, 9), size_px=112, device="cpu"
    )
    started, count = time.perf_counter(), 0
    for count, chunk in enumerate(chunks(path, clip_frames), 1):
        if count % ENCODE_EVERY == 1:
            spatial([chunk.key_frame])
            if clip_frames >= 9:
                temporal([chunk.clip])
    return {"chunks": count, "seconds": time.perf_counter() - started, "peak_mb": peak_mb()}


def peak_mb() -> float:
    """Return the most memory, in MB, that this process has held so far."""
    # not ru_maxrss: that counts what the process was before it became this program, so the size of
    # whatever has started it
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kilobytes) / 1024


def main() -> None:
    """Print a line per film."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=int, nargs="+", default=[10, 60])
    arguments.add_argument("--fps", default="1/4")
    arguments.add_argument("--clip", type=int, default=0)
    arguments.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.read:
        print(json.dumps(read(given.read, given.clip)))
        return
    with tempfile.TemporaryDirectory() as folder:
        for minutes in given.minutes:
            found = peak(film(Path(folder), minutes, given.fps), given.clip)
            print(f"{minutes} min at {given.fps} fps, clip of {given.clip}: {found}")


if __name__ == "__main__":
    main()
