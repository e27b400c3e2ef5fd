"""Files that would do harm: scripts that name other files, and headers that claim absurd sizes."""

import struct
from pathlib import Path

from tests.samples import ffmpeg

SCRIPTS = {
    "hls.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{secret}\n#EXT-X-ENDLIST\n",
    "hls.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{secret}\n#EXT-X-ENDLIST\n",
    "hls_concat.avi": "#EXTM3U\n#EXTINF:2,\nconcat:{secret}|{secret}\n#EXT-X-ENDLIST\n",
    "concat.mkv": "ffconcat version 1.0\nfile '{secret}'\n",
    "concat.ts": "ffconcat version 1.0\nfile 'secret.mp4'\n",
    "dash.mp4": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT2S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">'
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
    "<BaseURL>{secret}</BaseURL></Representation></AdaptationSet></Period></MPD>\n",
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "rtsp.mov": "RTSPtext\nrtsp://127.0.0.1:5004/{secret}\n",
    "list.asf": "[Reference]\nRef1=file://{secret}\n",
    "secret%d.mp4": "a name that is a pattern for a series of pictures\n",
}


def scripts(folder: Path, secret: Path) -> list[Path]:
    """Write files that name `secret`, and one that would fetch from the network."""
    paths = []
    for name, text in SCRIPTS.items():
        (folder / name).write_text(text.replace("{secret}", str(secret)))
        paths.append(folder / name)
    (folder / "net.mp4").write_text("ffconcat version 1.0\nfile 'http://127.0.0.1:9/x.ts'\n")
    return [*paths, folder / "net.mp4", elsewhere(folder, secret)]


def elsewhere(folder: Path, secret: Path) -> Path:
    """Write a QuickTime film whose track, says its header, lies in another file."""
    film, target = folder / "inside.mov", folder / "elsewhere.mov"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:d=1:r=10", "-c:v", "mpeg4", film)
    content = bytearray(film.read_bytes())
    at = content.index(b"dref") - 4
    (old,) = struct.unpack_from(">I", content, at)
    path = str(secret).encode() + b"\0" * (len(str(secret)) % 2)
    alias = bytes(10) + b"\0" + bytes(27) + bytes(12) + b"\0" + bytes(63) + bytes(16)
    alias += struct.pack(">hh", 1, 1) + bytes(16)
    alias += struct.pack(">hH", 2, len(path)) + path + struct.pack(">hH", -1, 0)
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    box = struct.pack(">I4sII", 16 + len(entry), b"dref", 0, 1) + entry
    content[at : at + old] = box
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):  # the boxes around it grow with it
        size_at = content.rindex(kind, 0, at) - 4
        (size,) = struct.unpack_from(">I", content, size_at)
        struct.pack_into(">I", content, size_at, size + len(box) - old)
    target.write_bytes(content)
    return target


def bombs(folder: Path) -> list[Path]:
    """Write small files whose headers claim a great deal."""
    made = {
        "wide.gif": b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\x80\0\0" + bytes(6)
        + b"," + struct.pack("<HHHH", 0, 0, 65535, 65535) + b"\0\x02\x02L\x01\0;",
        "large.gif": b"GIF89a" + struct.pack("<HH", 16000, 16000) + b"\x80\0\0" + bytes(6)
        + b"," + struct.pack("<HHHH", 0, 0, 16000, 16000) + b"\0\x02\x02L\x01\0;",
    }  # fmt: skip
    for name, content in made.items():
        (folder / name).write_bytes(content)
    source = ("-f", "lavfi", "-i", "testsrc2=s=64x48:d=1:r=10")
    ffmpeg(*source, "-c:v", "mjpeg", folder / "m.avi")
    ffmpeg(*source, "-c:v", "mjpeg", folder / "m.mkv")
    ffmpeg(*source, "-c:v", "mpeg4", folder / "m.mp4")
    ffmpeg(*source, "-c:v", "ffv1", folder / "f.mkv")
    jpeg = struct.pack(">HH", 48, 64)  # of the frame header: height, width
    avi = (folder / "m.avi").read_bytes()
    (folder / "jpeg.avi").write_bytes(avi.replace(b"\x08" + jpeg, b"\x08\xff\xdc\xff\xdc"))
    matroska = (folder / "f.mkv").read_bytes()
    wide = matroska.replace(b"\xb0\x81\x40\xba\x81\x30", b"\xb0\x82\xff\xba\x82\xff")
    (folder / "sizes.mkv").write_bytes(
        matroska.replace(b"\xb0\x81\x40", b"\xb0\x81\xff").replace(b"\xba\x81\x30", b"\xba\x81\xff")
        if wide == matroska
        else wide
    )
    for name, box, offset in (
        ("samples.mp4", b"stsz", 12),  # how many frames there are
        ("chunks.mp4", b"stsc", 12),  # how many lie together
        ("times.mp4", b"stts", 12),  # how many last as long
        ("offsets.mp4", b"stco", 8),
    ):
        content = bytearray((folder / "m.mp4").read_bytes())
        at = content.index(box) + offset
        content[at : at + 4] = b"\x7f\xff\xff\xff"
        if box == b"stsz":
            content[at - 4 : at] = b"\0\0\0\x01"  # all of the same size: no table needed
        (folder / name).write_bytes(content)
    names = ("jpeg.avi", "sizes.mkv", "samples.mp4", "chunks.mp4", "times.mp4", "offsets.mp4")
    return [folder / name for name in (*made, *names)]
