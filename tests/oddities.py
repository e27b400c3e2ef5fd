"""Files that are unusual, damaged or no video at all."""

from collections.abc import Callable
from pathlib import Path

from tests.samples import VP9, X264, Sample, ffmpeg, source, yuv

KEY = "0123456789abcdef" * 2
H264 = f"{yuv('yuv420p')} {X264}"


def _again(arguments: str, before: str = "", first: str = "h264.mp4") -> Callable[..., None]:
    """Return a maker that treats another sample, which lies in the folder, once more."""

    def make(folder: Path, target: Path) -> None:
        ffmpeg(*before.split(), "-i", folder / first, *arguments.split(), target)

    return make


def _part(first: str, start: float = 0.0, stop: float = 1.0) -> Callable[..., None]:
    """Return a maker that takes a part of the bytes of another sample."""

    def make(folder: Path, target: Path) -> None:
        content = (folder / first).read_bytes()
        target.write_bytes(content[round(start * len(content)) : round(stop * len(content))])

    return make


def _bytes(content: bytes) -> Callable[..., None]:
    def make(folder: Path, target: Path) -> None:
        target.write_bytes(content)

    return make


def _cut_matroska(folder: Path, target: Path) -> None:
    ffmpeg("-i", folder / "h264.mp4", "-c", "copy", folder / "whole.mkv")
    _part("whole.mkv", 0, 0.6)(folder, target)


def _picture(folder: Path, target: Path) -> None:
    ffmpeg("-i", source(folder), "-frames:v", "1", "-f", "image2", "-c:v", "png", target)


def _sizes_change(folder: Path, target: Path) -> None:
    """Write a transport stream whose frames change from 160 x 64 to 320 x 128 midway."""
    parts = []
    for name, size in (("a.ts", "160x64"), ("b.ts", "320x128")):
        later = "-output_ts_offset 1.5" if name == "b.ts" else ""
        ffmpeg(
            *("-i", source(folder), "-t", "1.5", "-s", size, "-pix_fmt", "yuv420p"),
            *(*X264.split(), *later.split(), folder / name),
        )
        parts.append((folder / name).read_bytes())
    target.write_bytes(b"".join(parts))


def _claims_ten_hours(folder: Path, target: Path) -> None:
    """Write a film whose header says that each of its frames lasts for 25 minutes."""
    ffmpeg(
        *("-i", folder / "h264.mp4", "-c", "copy", "-bsf:v", "setts=ts=TS*36000:duration=DURATION"),
        *("-video_track_timescale", "600", target),
    )


def _two_films(folder: Path, target: Path) -> None:
    small = ("-f", "lavfi", "-i", "testsrc2=s=48x32:r=12:d=2")
    ffmpeg(
        *("-i", folder / "h264.mp4", *small, "-map", "0:v", "-map", "1:v", "-c:v:0", "copy"),
        *("-c:v:1", "libx264", "-pix_fmt:v:1", "yuv420p", target),
    )


def _with_cover(folder: Path, target: Path) -> None:
    cover = ("-f", "lavfi", "-i", "color=red:s=32x32:d=1:r=1")
    ffmpeg(
        *("-i", folder / "h264.mp4", *cover, "-map", "1:v", "-map", "0:v", "-c:v:1", "copy"),
        *("-c:v:0", "mjpeg", "-frames:v:0", "1", "-disposition:v:0", "attached_pic", target),
    )


def _song(cover: bool) -> Callable[..., None]:
    def make(folder: Path, target: Path) -> None:
        inputs = ["-f", "lavfi", "-i", "sine=d=2"]
        picture = []
        if cover:
            inputs += ["-f", "lavfi", "-i", "color=red:s=32x32:d=1:r=1"]
            picture = ["-c:v", "mjpeg", "-frames:v", "1", "-disposition:v", "attached_pic"]
        ffmpeg(*inputs, "-c:a", "aac", *picture, target)

    return make


ODDITIES = (
    Sample("turned.mp4", "rotation flag, 90 degrees: shown upright",
           _again("-c copy", "-display_rotation 90"), colours=False),
    Sample("upside_down.mov", "rotation flag, 180 degrees",
           _again("-c copy", "-display_rotation 180"), colours=False),
    Sample("anamorphic.mp4", "pixels twice as wide as high: taken as stored",
           f"{yuv('yuv420p')},setsar=2 {X264}"),
    Sample("odd_444.mkv", "odd size, 4:4:4",
           f"-vf crop=159:63,{yuv('yuv444p').removeprefix('-vf ')} -c:v ffv1"),
    Sample("odd_420.webm", "odd size, 4:2:0",
           f"-vf crop=159:63,{yuv('yuv420p').removeprefix('-vf ')} {VP9}"),
    Sample("interlaced.mkv", "H.264, interlaced: fields stay woven",
           f"{yuv('yuv420p')},interlace=lowpass=0 -flags +ildct+ilme -x264opts tff=1 {X264}"),
    Sample("interlaced.ts", "MPEG-2, interlaced: fields stay woven",
           f"{yuv('yuv420p')},setfield=tff -r 25 -flags +ildct+ilme -c:v mpeg2video -q:v 2"),
    Sample("variable.mp4", "variable frame rate",
           f"{yuv('yuv420p')},select='not(mod(n,3))+gt(n,16)' -fps_mode vfr {X264}"),
    Sample("negative.mkv", "negative time stamps",
           _again("-c copy -output_ts_offset -0.5 -avoid_negative_ts disabled")),
    Sample("late.mkv", "time stamps from 1000 s on", _again("-c copy -output_ts_offset 1000")),
    Sample("stampless.avi", "H.264 with B pictures in AVI: no presentation times",
           _again("-c copy")),
    Sample("stampless.m1v", "bare MPEG-1: no times at all",
           f"{yuv('yuv420p', 'smpte170m')} -r 24 -c:v mpeg1video -q:v 2 -f mpeg1video"),
    Sample("edit_list.mp4", "edit list: begins within a group of pictures",
           _again("-c copy", "-ss 0.5")),
    Sample("two_films.mkv", "two video streams: the first", _two_films),
    Sample("cover.mp4", "cover picture before the film: passed over", _with_cover),
    Sample("sizes.ts", "frame size changes at 1.5 s", _sizes_change),
    Sample("mid.ts", "recording that begins between key frames", _part("h264.ts", 0.2)),
    Sample("one_frame.mp4", "a single frame", f"{H264} -frames:v 1"),
    Sample("short.mp4", "0.3 s", f"{H264} -t 0.3"),
    Sample("song.mp4", "sound only", _song(cover=False), good=False),
    Sample("song_with_cover.mp4", "sound and a cover picture", _song(cover=True), good=False),
    # bitexact: the cipher's counter starts at a random number otherwise
    Sample("locked.mp4", "encrypted (CENC)",
           _again("-c copy -fflags +bitexact -encryption_scheme cenc-aes-ctr "
                  f"-encryption_key {KEY} -encryption_kid {KEY}"), good=False),
    Sample("hours.mp4", "header states 17 hours", _claims_ten_hours, good=False),
    Sample("empty.mp4", "empty file", _bytes(b""), good=False),
    Sample("text.mp4", "text", _bytes(b"not a video\n" * 100), good=False),
    Sample("zeros.mp4", "zero bytes only", _bytes(bytes(100_000)), good=False),
    Sample("picture.mp4", "a PNG picture", _picture, good=False),
    Sample("cut_header_last.mp4", "cut; header was at the end",
           _part("h264.mp4", 0, 0.5), good=False),
    Sample("header_first.mp4", "header at the front", _again("-c copy -movflags faststart")),
    Sample("cut.mp4", "cut; header at the front", _part("header_first.mp4", 0, 0.6), good=False),
    Sample("cut.mkv", "cut Matroska", _cut_matroska, good=False),
    Sample("cut.flv", "cut FLV", _part("h264.flv", 0, 0.6), good=False),
    Sample("cut.ts", "cut transport stream: what is there, for it states no length",
           _part("h264.ts", 0, 0.6)),
)  # fmt: skip
