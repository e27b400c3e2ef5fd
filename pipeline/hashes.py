"""Perceptual hashes of key frames: what shows that two files hold the same pictures.

    data/hashes/<dataset>.csv   video_id, sha256, split, version, hashes

`hashes` has one hash of 256 bits (64 hex digits) per second of video, separated by spaces. A frame
that is nearly flat (black, a fade) has none, since all flat frames are alike.
"""

import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

from llm_head.questions import CLOSED
from pipeline.decoder import Decoder
from pipeline.leaks import BITS, COLUMNS, VERSION
from pipeline.progress import bar
from pipeline.settings import RunSettings
from pipeline.video import VideoError

_SIDE_PX = 64  # of the grey picture that is transformed
_CORNER = 16  # its lowest frequencies, per direction
_FLAT = 4.0  # standard deviation of grey values, of 255

log = logging.getLogger(__name__)


def hash_table(manifest: pd.DataFrame, known: pd.DataFrame, run: RunSettings) -> pd.DataFrame:
    """Return the hashes of the videos of a manifest of which a truth is known.

    Videos without any truth are never tested on, so they are left out. A file that cannot be
    decoded, or that crashes or hangs its decoder, keeps its row without hashes: its content hash is
    still compared, and the next run tries it again.

    Args:
        manifest: from `pipeline.manifest.read`.
        known: an earlier result; a row of the same content and version is not computed again.
        run: the limits of time and memory.
    """
    named = (manifest[list(CLOSED)] != "").any(axis=1)
    told = named | manifest["mos"].notna()
    table = manifest.loc[told, ["video_id", "path", "sha256", "split"]].reset_index(drop=True)
    usable = known[(known["version"] == str(VERSION)) & (known["hashes"] != "")]
    earlier = dict(zip(usable["sha256"], usable["hashes"], strict=True))
    new = table[~table["sha256"].isin(earlier)].drop_duplicates("sha256")
    decoders = _Decoders(run)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(bar(pool.map(decoders.look, new["path"]), len(new), "hashes", "video"))
    decoders.close()
    hashes = earlier | dict(zip(new["sha256"], found, strict=True))
    table = table.assign(version=str(VERSION), hashes=[hashes[sha] for sha in table["sha256"]])
    return table[list(COLUMNS)]


class _Decoders:
    """A decoder per thread: a video that crashes or hangs one costs itself only."""

    def __init__(self, run: RunSettings) -> None:
        self._run, self._own = run, threading.local()
        self._all: list[Decoder] = []

    def look(self, path: str) -> str:
        """Return the hashes of a video's key frames, "" if it cannot be decoded."""
        if not hasattr(self._own, "decoder"):
            self._own.decoder = Decoder()
            self._all.append(self._own.decoder)
        chunks = self._own.decoder.chunks(Path(path).absolute(), 0, self._run)
        try:
            found = [frame_hash(chunk.key_frame) for chunk in chunks]
        except VideoError as error:
            log.warning("%s", error)
            return ""
        return " ".join(hashed for hashed in found if hashed)

    def close(self) -> None:
        for decoder in self._all:
            decoder.close()


def frame_hash(frame: NDArray[np.uint8]) -> str:
    """Return 64 hex digits for a frame ``(H, W, 3)`` RGB; "" if it is nearly flat.

    Each bit says whether one of the lowest frequencies of the picture is above their median, so
    scaling, recompression and a little blur or noise change few bits.

    Source: pHash (Zauner, 2010), with 16 x 16 frequencies instead of 8 x 8.
    """
    grey = Image.fromarray(frame).convert("L").resize((_SIDE_PX,) * 2, Image.Resampling.LANCZOS)
    values = np.asarray(grey, np.float64)
    if values.std() < _FLAT:
        return ""
    low = dctn(values, norm="ortho")[:_CORNER, :_CORNER].ravel()
    bits = low > np.median(low[1:])
    bits[0] = False  # mean brightness, which says nothing about the picture
    assert len(bits) == BITS
    return np.packbits(bits).tobytes().hex()
