"""How much memory this machine has left."""

from __future__ import annotations

from pathlib import Path


def available_memory(source: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes that can be used without swapping (Linux's MemAvailable); None where the system does not say."""
    try:
        text = source.read_text(encoding="ascii")
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def readable(size: int) -> str:
    """Bytes in gigabytes or megabytes, for sentences."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
