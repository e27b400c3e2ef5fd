"""Freed memory is kept for the next second of video instead of going back to the system."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of malloc.h
KEPT_BYTES = 256 << 20  # of free memory on top of a heap; what is more is given back
LARGEST_BYTES = 32 << 20  # the most that glibc allows; a larger piece goes back once it is freed


def keep_freed_memory(kept_bytes: int = KEPT_BYTES) -> None:
    """Tell this process's allocator to keep so much of what it frees; only glibc's can be told.

    A network's layers free and take the same megabytes again and again. If they go back to the
    system each time, its clearing of fresh pages takes as long as the network: Dask's workers start
    with MALLOC_TRIM_THRESHOLD_ set, which makes glibc do so (docs/decisions.md).
    """
    if set_option := getattr(ctypes.CDLL(None), "mallopt", None):
        set_option(_TRIM_THRESHOLD, kept_bytes)
        set_option(_MMAP_THRESHOLD, LARGEST_BYTES)
