"""Freed memory stays with the process, so that the next layer need not ask the kernel for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Resident megabytes before, with and after eight blocks of 40 MB, each of which malloc would map by itself.
PROGRAM = """
import ctypes, sys
from reidr.core.process.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6
first = resident()
blocks = [bytearray(40_000_000) for _ in range(8)]
full = resident()
del blocks
print(first, full, resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="malloc is told so on Linux only")
@pytest.mark.parametrize("how", ["keep", "leave"])
def test_freed_blocks_stay_resident(how: str) -> None:
    from ctypes import CDLL

    if not hasattr(CDLL(None), "mallopt"):
        pytest.skip("this C library has no mallopt")
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
    first, full, after = map(float, done.stdout.split())
    assert full - first > 300
    if how == "keep":
        assert after > full - 20
    else:
        assert after < first + 20
