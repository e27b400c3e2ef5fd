"""Versions, codecs and devices."""

import platform
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from pipeline.doctor.check import Check

PACKAGES = (
    *("torch", "torchvision", "open_clip_torch", "pytorchvideo", "transformers", "peft"),
    *("dask", "distributed", "dvc", "h5py", "av", "numpy", "pandas"),
)
# what the benchmarks and people's videos are coded in; any one of the names will do
DECODERS = {
    "H.264": ("h264",),
    "HEVC": ("hevc",),
    "VP8": ("vp8", "libvpx"),
    "VP9": ("vp9", "libvpx-vp9"),
    "AV1": ("libdav1d", "libaom-av1", "av1"),
    "MPEG-2": ("mpeg2video",),
    "MPEG-4": ("mpeg4",),
    "ProRes": ("prores",),
    "FFV1": ("ffv1",),
    "Theora": ("theora",),
    "Motion JPEG": ("mjpeg",),
    "WMV": ("wmv2",),
}
DEMO_ENCODERS = ("libx264", "libx265", "libvpx", "mpeg2video", "mpeg4", "wmv2", "mjpeg")


def versions() -> Iterator[Check]:
    """Look for the packages that numbers depend on."""
    yield Check("Python", "ok", platform.python_version())
    for package in PACKAGES:
        try:
            found = version(package)
        except PackageNotFoundError:
            yield Check(package, "problem", "not installed", "run `make install`")
            continue
        if package == "h5py":
            import h5py

            found += f", HDF5 {h5py.version.hdf5_version}"
        yield Check(package, "ok", found)


def pyav() -> Iterator[Check]:
    """Look at the FFmpeg that decodes videos: PyAV carries its own."""
    import av

    numbers = av.library_versions
    yield Check(
        "FFmpeg of PyAV",
        "ok",
        f"{av.ffmpeg_version_info}, libavcodec {'.'.join(map(str, numbers['libavcodec']))}",
    )
    there = decoders()
    missing = [name for name, any_of in DECODERS.items() if not there & set(any_of)]
    yield Check(
        "decoders",
        "warning" if missing else "ok",
        f"missing: {', '.join(missing)}" if missing else ", ".join(DECODERS),
        "videos of these codecs will be recorded as failed; install PyAV's own wheel"
        if missing
        else "",
    )


def decoders() -> set[str]:
    """Return the names of PyAV's decoders."""
    import av

    found = set()
    for name in av.codecs_available:
        try:
            av.Codec(name, "r")
        except ValueError:  # encodes only
            continue
        found.add(name)
    return found


def ffmpeg_program() -> Check:
    """Look at the program that makes the demo's clips."""
    name = "FFmpeg program"
    try:
        import imageio_ffmpeg

        program = imageio_ffmpeg.get_ffmpeg_exe()
        said = _run(program, "-hide_banner", "-version").splitlines()[0]
        encoders = {line.split()[1] for line in _run(program, "-hide_banner", "-encoders")
                    .split("------", 1)[-1].splitlines() if len(line.split()) > 1}  # fmt: skip
    except (ImportError, RuntimeError, OSError, IndexError, subprocess.SubprocessError) as error:
        return Check(name, "warning", f"none: {error}", "only stage demo needs one")
    missing = [encoder for encoder in DEMO_ENCODERS if encoder not in encoders]
    if missing:
        return Check(
            name, "warning", f"{said}; no {', '.join(missing)}", "only stage demo needs it"
        )
    return Check(name, "ok", said)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    return done.stdout


def gpu() -> Check:
    """Look for a GPU that torch can use."""
    import torch

    if torch.cuda.is_available():
        cards = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
        found = ", ".join(f"{card.name} ({card.total_memory / 1e9:.0f} GB)" for card in cards)
        return Check("GPU", "ok", found)
    if shutil.which("nvidia-smi"):
        return Check(
            "GPU",
            "warning",
            f"a driver is there, but torch {torch.__version__} cannot use it",
            "install the build of torch for your CUDA version: https://pytorch.org/get-started",
        )
    return Check("GPU", "ok", "none: everything runs on the CPU")


def hardware_decoding(wanted: Literal["cpu", "cuda"]) -> Check:
    """Look for a GPU that decodes videos; that there is none is a problem if it is wanted."""
    from pipeline import hardware

    name = "decoding on a GPU"
    try:
        hardware.accelerator()
    except hardware.HardwareError as error:
        if wanted == "cuda":
            return Check(name, "problem", str(error), "set run.decode_on: cpu")
        return Check(name, "ok", "none: videos are decoded on the CPU")
    return Check(name, "ok", f"possible; run.decode_on: {wanted}")
