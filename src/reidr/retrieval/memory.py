"""How much memory this machine has left."""

from __future__ import annotations

from pathlib import Path


def available_memory(source: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes that can be used without swapping (Linux's MemAvailable); None where the system does not say."""
    try:
        text = source.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    for line in text.splitlines():
        name, _, value = line.partition(":")
        number = value.split()[:1]
        if name == "MemAvailable" and number and number[0].isdecimal():
            return int(number[0]) * 1024
    return None
