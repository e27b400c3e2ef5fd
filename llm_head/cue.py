"""A video's size, frame rate and bit rate in words: what encoders at a fixed size cannot see."""

from collections.abc import Mapping
from typing import Any

import pandas as pd


def cue(facts: Mapping[Any, Any]) -> str:
    """Return the sentence that tells the LLM a video's facts, "" if none is known.

    Args:
        facts: width, height, fps, duration_s and size_bytes, as in a manifest's row; 0, NaN and
            None are unknown. Bits per second are those of the whole file, sound included.

    >>> cue({"width": 1920, "height": 1080, "fps": 29.97, "duration_s": 8.0, "size_bytes": 4.2e6})
    '1920 x 1080 pixels, 29.97 frames a second, 4200 kbit a second.'
    >>> cue({"width": 0, "height": 0, "fps": 24.0})
    '24 frames a second.'
    """
    width, height, fps = (_known(facts.get(name)) for name in ("width", "height", "fps"))
    size, duration_s = _known(facts.get("size_bytes")), _known(facts.get("duration_s"))
    parts = []
    if width and height:
        parts.append(f"{width:.0f} x {height:.0f} pixels")
    if fps:
        parts.append(f"{fps:.4g} frames a second")
    if size and duration_s:
        parts.append(f"{size * 8 / duration_s / 1000:.0f} kbit a second")
    return f"{', '.join(parts)}." if parts else ""


def _known(value: Any) -> float:
    return 0.0 if pd.isna(value) else float(value)
