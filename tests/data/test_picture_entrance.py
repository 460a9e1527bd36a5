"""A picture is the same RGB pixels however it comes."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import naive_png
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import DEEP, FILES, WIDTH, encoded, noise, palette
from PIL import Image

from reidr.data.pictures.images import read_picture
from reidr.data.types import Crop


def forms(path: Path, data: bytes) -> Iterator[tuple[str, Any]]:
    """Every way in which a file's picture can be handed over."""
    yield "path as text", str(path)
    yield "bytes", data
    yield "bytearray", bytearray(data)
    yield "memoryview", memoryview(data)
    yield "memoryview, strided", memoryview(b"".join(bytes([value, 0]) for value in data))[::2]
    yield "BytesIO", io.BytesIO(data)
    read_before = io.BytesIO(data)
    read_before.seek(7)
    yield "file object, read before", read_before
    with path.open("rb") as file:
        yield "open file", file
    yield "Image.open", Image.open(path)
    yield "Image.open of bytes", Image.open(io.BytesIO(data))
    # By name, Pillow itself garbles an uncompressed TIFF that is to be turned (see pixels.load).
    loaded = Image.open(io.BytesIO(data))
    loaded.load()
    yield "loaded", loaded
    if loaded.mode != "I":  # a copy no longer knows that its 32 bits hold 16
        yield "copied", loaded.copy()
    if loaded.mode in ("RGB", "RGBA", "L", "LA", "I;16", "1") and not {"transparency", "exif"} & loaded.info.keys():
        array = np.asarray(loaded)
        yield "array", array
        yield "array, strided", np.repeat(array, 2, axis=0)[::2]
        if array.dtype != np.uint16:
            yield "tensor", torch.from_numpy(array.copy() if array.ndim == 2 else array.transpose(2, 0, 1).copy())


@pytest.mark.parametrize("kind", FILES)
def test_every_form_of_a_picture_gives_the_same_pixels(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.picture"
    path.write_bytes(FILES[kind])
    wanted = read_picture(path)
    assert (wanted.mode, type(wanted)) == ("RGB", Image.Image)
    assert np.asarray(wanted).std() > 5  # nothing has become one colour
    for name, form in forms(path, FILES[kind]):
        for picture in (read_picture(form), Crop("a", form).open()):  # twice: a file object is read again
            assert (picture.mode, picture.size) == ("RGB", wanted.size), name
            assert picture.tobytes() == wanted.tobytes(), name
    again = read_picture(wanted)
    assert again is wanted  # nothing is turned or flattened a second time


def test_the_values_are_the_right_ones() -> None:
    for kind in ("PNG", "BMP", "PPM", "TIFF", "TIFF of two pages", "animated PNG", "animated WebP"):
        assert np.array_equal(np.asarray(read_picture(FILES[kind])), noise()), kind
    for kind in [name for name in FILES if name.startswith("16-bit") and "clear" not in name and "turned" not in name]:
        assert (np.asarray(read_picture(FILES[kind])) == (DEEP >> 8)[:, :, None]).all(), kind
    assert (np.asarray(read_picture(FILES["16-bit TIFF turned"])) == np.rot90(DEEP >> 8, -1)[:, :, None]).all()
    clear = np.asarray(read_picture(FILES["16-bit PNG, a grey clear"]))
    wanted = np.where(DEEP[5, 5] == DEEP, 127, DEEP >> 8)
    assert (clear == wanted[:, :, None]).all()
    colour = np.asarray(read_picture(FILES["RGB PNG, a colour clear"]))
    assert colour[0, 0].tolist() == [127, 127, 127]
    assert np.array_equal(colour[1:], noise()[1:])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_png_of_every_colour_type_and_depth_looks_as_the_specification_says(data: st.DataObject) -> None:
    color = data.draw(st.sampled_from(sorted(naive_png.DEPTHS)))
    depth = data.draw(st.sampled_from(naive_png.DEPTHS[color]))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    values = random.integers(0, 2**depth, (9, 5, naive_png.CHANNELS[color]))
    trns = table = None
    if color == 3:
        table = random.integers(0, 256, 3 * 2**depth, dtype=np.uint8).tobytes()
        trns = data.draw(st.none() | st.binary(min_size=1, max_size=2**depth))
    elif color in (0, 2) and data.draw(st.booleans()):
        marked = values[tuple(random.integers(0, (9, 5)))]
        if color == 2 and depth == 16:  # a colour equal in both halves is the only kind that 8 bits can tell apart
            marked = (marked >> 8) * 257
            values[::2, ::2] = marked
        trns = struct.pack(f">{len(marked)}H", *marked)
    found = np.asarray(read_picture(naive_png.write(values, color, depth, trns, table))).astype(float)
    wanted = naive_png.shown(values, color, depth, trns, table)
    if color == 2 and depth == 16 and trns is not None:
        wanted[(values >> 8 == np.array(struct.unpack(">3H", trns)) >> 8).all(axis=2)] = 127
    assert np.abs(found - wanted).max() <= 1


def test_a_colour_of_48_bits_that_8_bits_cannot_tell_marks_nothing() -> None:
    values = np.zeros((9, 5, 3), dtype=np.int64)  # black, and the clear colour is nearly black
    data = naive_png.write(values, 2, 16, struct.pack(">3H", 1, 1, 1))
    assert np.asarray(read_picture(data)).max() == 0


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"]
)
def test_every_mode_in_memory_is_read(mode: str) -> None:
    picture = Image.new(mode, (8, 16))
    assert read_picture(picture).size == (8, 16)
    assert read_picture(picture).mode == "RGB"


def test_palettes_and_marks_made_in_memory_count() -> None:
    one = palette()
    two = one.copy()
    two.putpalette(one.getpalette()[::-1])
    assert read_picture(one).tobytes() != read_picture(two).tobytes()
    assert read_picture(two).tobytes() == two.convert("RGB").tobytes()
    clear = one.copy()
    clear.info["transparency"] = one.getpixel((0, 0))
    assert read_picture(clear).getpixel((0, 0)) == (127, 127, 127)
    deep = Image.fromarray(DEEP)
    deep.info["transparency"] = int(DEEP[0, 0])
    assert read_picture(deep).getpixel((0, 0)) == (127, 127, 127)
    with_alpha = Image.fromarray(noise(4)).quantize(16)  # a palette of four channels
    assert read_picture(with_alpha).tobytes() == read_picture(with_alpha.convert("RGBA")).tobytes()


def test_large_pictures_are_converted_in_strips_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {kind: read_picture(FILES[kind]).tobytes() for kind in FILES}
    monkeypatch.setattr("reidr.data.pictures.pixels.STRIP_PIXELS", 7 * WIDTH + 5)
    assert {kind: read_picture(FILES[kind]).tobytes() for kind in FILES} == whole


def test_the_frame_that_a_pillow_image_is_at() -> None:
    frames = [Image.new("RGB", (8, 16), color) for color in ((250, 0, 0), (0, 0, 250))]
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("PNG", {})):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert read_picture(data).getpixel((4, 4)) == (250, 0, 0)
        opened = Image.open(io.BytesIO(data))
        opened.seek(1)
        assert read_picture(opened).getpixel((4, 4)) == (0, 0, 250)
