"""PNG by hand, straight from its specification: how to write every colour type and depth, and how it looks."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
GREY = 127


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def write(
    values: NDArray[np.int64], color: int, depth: int, trns: bytes | None = None, palette: bytes | None = None
) -> bytes:
    """`values` (H, W, channels) of `depth` bits each, unfiltered, not interlaced."""
    height, width, _ = values.shape
    lines = []
    for row in values.reshape(height, -1):
        bits = "".join(f"{value:0{depth}b}" for value in row)
        bits += "0" * (-len(bits) % 8)
        lines.append(b"\0" + bytes(int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)))
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))]
    parts += [chunk(b"PLTE", palette)] if palette is not None else []
    parts += [chunk(b"tRNS", trns)] if trns is not None else []
    parts += [chunk(b"IDAT", zlib.compress(b"".join(lines))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def shown(
    values: NDArray[np.int64], color: int, depth: int, trns: bytes | None = None, palette: bytes | None = None
) -> NDArray[np.float64]:
    """(H, W, 3) as it looks over `GREY`, before rounding: 16 bits cut to 8, fewer widened, alpha from 0 to 1."""
    height, width, _ = values.shape
    eight = values >> 8 if depth == 16 else values * 255 // (2**depth - 1)
    alpha = np.ones((height, width))
    if color == 3:
        table = np.frombuffer(palette or b"", dtype=np.uint8).reshape(-1, 3)
        rgb = table[values[:, :, 0]].astype(float)
        alphas = np.full(len(table), 255)
        alphas[: len(trns or b"")] = list(trns or b"")
        alpha = alphas[values[:, :, 0]] / 255
    elif color in (0, 4):
        rgb = np.repeat(eight[:, :, :1], 3, axis=2).astype(float)
    else:
        rgb = eight[:, :, :3].astype(float)
    if color in (4, 6):
        alpha = eight[:, :, -1] / 255
    if color in (0, 2) and trns is not None:
        alpha = 1.0 - (values == struct.unpack(f">{CHANNELS[color]}H", trns)).all(axis=2)
    return rgb * alpha[:, :, None] + GREY * (1 - alpha[:, :, None])
