import os
import platform
import subprocess
import sys

import pytest

from pipeline import allocator

# as a layer does with its activations, again and again; prints the pages that the system cleared
LAYERS = """
import resource
import numpy as np
from pipeline.allocator import keep_freed_memory
{kept}
for turn in range(21):
    if turn == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(2 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_freed_memory_is_used_again_in_a_process_as_dask_starts_it() -> None:
    def pages(kept: str) -> int:
        found = subprocess.run(
            [sys.executable, "-c", LAYERS.format(kept=kept)],
            env={**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"},
            capture_output=True,
            check=True,
            text=True,
        )
        return int(found.stdout)

    assert pages("keep_freed_memory()") * 10 < pages("")


def test_where_the_allocator_cannot_be_told_nothing_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    allocator.keep_freed_memory()
