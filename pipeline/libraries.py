"""Versions of the libraries that tokens come from, as every token file keeps them.

Other versions may round otherwise, so two caches that differ in the last bits can be told apart by
what made them. They are no part of the fingerprint: an update must not redo weeks of encoding.
"""

import functools
from importlib.metadata import version

PACKAGES = ("av", "numpy", "open_clip_torch", "pillow", "pytorchvideo", "timm", "torch")


@functools.cache
def libraries() -> dict[str, str]:
    """Return name and version of what decodes, prepares and encodes in this process."""
    import av

    return {name: version(name) for name in PACKAGES} | {"ffmpeg": av.ffmpeg_version_info}
