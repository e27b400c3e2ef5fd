"""Decoded frames to RGB as they are meant to be seen.

The stream's own colour matrix and range are used. Where it states no matrix: BT.709 from 720 lines
on and BT.601 below; where it states no range: the limited one; as players do. Pixels stay those
that are stored: no deinterlacing and no stretching of pixels that are not square, for both would
resample what is to be judged. Transparency is ignored. Rotation flags are followed.

High dynamic range (PQ and HLG, ITU-R BT.2100) is brought to a BT.709 display, for that is what the
encoders know: display light with a peak of 1000 cd/m2; the roll-off of BT.2390 (section 5.4.1)
to 203 cd/m2, the white of BT.2408, on the largest of R, G and B, so that the hue stays; the BT.2020
primaries to BT.709, clipped; BT.1886 (exponent 2.4). The peak is fixed rather than read from the
stream's metadata, so that two copies of a video differ only if their pictures do.
"""

from functools import cache

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from pipeline.container import VideoError

Frame = NDArray[np.uint8]

PEAK_NITS = 1000.0
WHITE_NITS = 203.0
HLG_GAMMA = 1.2  # the system gamma of BT.2100 at a peak of 1000 cd/m2

_BT709, _BT601, _BT2020 = 1, 5, 9  # swscale's matrices
_UNSPECIFIED = 2
# With 10 bits or more and halved chroma, the default is off by 3 of 255, this by none; with 8 bits
# swscale's quick way is taken, 1 ms for a frame of 1080 lines rather than 20, within 3 of 255.
_SCALING = Interpolation.BILINEAR | Interpolation.FULL_CHR_H_INT
# by FFmpeg's AVColorSpace; 0 is RGB, for which the matrix plays no part
_MATRICES = {0: _BT601, 1: _BT709, 4: 4, 5: _BT601, 6: _BT601, 7: 7, 9: _BT2020, 10: _BT2020}
_PQ, _HLG = 16, 18  # AVColorTransferCharacteristic

# linear BT.2020 to linear BT.709 (ITU-R BT.2087)
_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
_STEPS = 65536


def rgb_shape(frame: av.VideoFrame) -> tuple[int, int, int]:
    """Return the shape that `to_rgb` gives a frame."""
    turned = _quarter_turns(frame) % 2
    return (frame.width, frame.height, 3) if turned else (frame.height, frame.width, 3)


def to_rgb(
    frame: av.VideoFrame, size_px: tuple[int, int] | None = None, out: Frame | None = None
) -> Frame:
    """Convert a decoded frame to RGB, uint8 ``(H, W, 3)``.

    Args:
        frame: decoded.
        size_px: width and height before rotation, if not the frame's own.
        out: where to put it, and what is returned; without, a new array.

    Raises:
        VideoError: if its colour matrix is one that would come out in wrong colours.
    """
    space = int(frame.colorspace)
    if space == _UNSPECIFIED:
        matrix: int | None = _BT709 if frame.height >= 720 else _BT601
    else:
        matrix = _MATRICES.get(space)
    if matrix is None:
        raise VideoError(f"colour matrix {space} (ITU-T H.273) is not known here")
    width, height = size_px or (frame.width, frame.height)
    hdr = int(frame.color_trc) in (_PQ, _HLG)
    picture = frame.reformat(
        width,
        height,
        "rgb48le" if hdr else "rgb24",
        src_colorspace=matrix,
        interpolation=_SCALING,
        threads=1,  # videos run side by side
    )
    pixels = _tone_mapped(picture.to_ndarray(), int(frame.color_trc)) if hdr else _view(picture)
    turned = np.rot90(pixels, _quarter_turns(frame))
    if out is None:
        return turned.copy(order="C")
    out[...] = turned
    return out


def _quarter_turns(frame: av.VideoFrame) -> int:
    return int(round(frame.rotation / 90) % 4)


def _view(picture: av.VideoFrame) -> Frame:
    """Return the pixels of an RGB frame, ``(H, W, 3)``, where they are; rows may lie apart."""
    plane = picture.planes[0]
    if plane.line_size < 0:  # stored from the bottom up
        upright: Frame = picture.to_ndarray()
        return upright
    rows = np.frombuffer(plane, np.uint8)[: picture.height * plane.line_size]
    rows = rows.reshape(picture.height, plane.line_size)[:, : picture.width * 3]
    return rows.reshape(picture.height, picture.width, 3)


def _tone_mapped(codes: NDArray[np.uint16], transfer: int) -> Frame:
    """Bring non-linear BT.2100 RGB of 16 bits, ``(H, W, 3)``, to BT.709 of 8 bits; see the top."""
    light = _light(transfer)[codes.reshape(-1, 3)]  # 1 is the peak
    if transfer == _HLG:
        light *= ((light @ _LUMA_2020) ** (HLG_GAMMA - 1))[:, None]
    largest = np.maximum(np.maximum(light[:, 0], light[:, 1]), light[:, 2])
    np.minimum(largest, 1, out=largest)
    light *= _gain()[(np.sqrt(largest) * (_STEPS - 1)).astype(np.uint16)][:, None]
    light = light @ _TO_BT709.T
    np.clip(light, 0, 1, out=light)
    rgb: Frame = _display()[(np.sqrt(light) * (_STEPS - 1)).astype(np.uint16)]
    return rgb.reshape(codes.shape)


def pq_to_nits(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return display light in cd/m2 of PQ code values 0 to 1 (SMPTE ST 2084)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = np.asarray(code, np.float64) ** (1 / m2)
    light: NDArray[np.float64] = 10000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return light


def nits_to_pq(nits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the PQ code value of display light in cd/m2; the inverse of `pq_to_nits`."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = (np.asarray(nits, np.float64) / 10000) ** m1
    code: NDArray[np.float64] = ((c1 + c2 * power) / (1 + c3 * power)) ** m2
    return code


def rolled_off(nits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return display light of 0 to PEAK_NITS brought to 0 to WHITE_NITS (BT.2390, 5.4.1)."""
    peak = float(nits_to_pq(np.array(PEAK_NITS)))
    highest = float(nits_to_pq(np.array(WHITE_NITS))) / peak
    knee = 1.5 * highest - 0.5
    at = nits_to_pq(np.minimum(nits, PEAK_NITS)) / peak
    t = np.maximum(at - knee, 0) / (1 - knee)
    bent = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * highest
    )
    return pq_to_nits(np.where(at < knee, at, bent) * peak)


@cache
def _light(transfer: int) -> NDArray[np.float32]:
    """Return the light of each 16-bit code: display light for PQ, scene light for HLG."""
    code = np.linspace(0, 1, _STEPS)
    if transfer == _PQ:
        return np.minimum(pq_to_nits(code) / PEAK_NITS, 1).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12).astype(np.float32)


@cache
def _gain() -> NDArray[np.float32]:
    """Return the factor from light (1 is PEAK_NITS) to shown light (1 is WHITE_NITS), by root."""
    nits = np.linspace(0, 1, _STEPS) ** 2 * PEAK_NITS
    nits[0] = nits[1]  # the same factor for black
    return (rolled_off(nits) / WHITE_NITS / (nits / PEAK_NITS)).astype(np.float32)


@cache
def _display() -> Frame:
    """Return the 8-bit code of shown light, by its root (BT.1886)."""
    return np.round(255 * np.linspace(0, 1, _STEPS) ** (2 / 2.4)).astype(np.uint8)
