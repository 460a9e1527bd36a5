"""A picture is the same RGB pixels however it comes, and what is none is one sentence, however it comes."""

from __future__ import annotations

import io
import os
import socket
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
from PIL import Image, ImageFile

from reidr.data import images, regular_files
from reidr.data.images import IMAGE_SUFFIXES, open_image, read_picture
from reidr.data.types import Crop
from reidr.errors import ImageError

WIDTH, HEIGHT = 24, 40
ORIENTATION = 274


def noise(channels: int = 3, seed: int = 0) -> np.ndarray:
    shape = (HEIGHT, WIDTH, channels) if channels > 1 else (HEIGHT, WIDTH)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def palette(mode: str = "P") -> Image.Image:
    picture = Image.fromarray(noise()).quantize(8)
    return picture if mode == "P" else picture.convert(mode)


RGB = Image.fromarray(noise())
DEEP = np.random.default_rng(3).integers(0, 65_536, (HEIGHT, WIDTH)).astype(np.uint16)
FILES: dict[str, bytes] = {
    "JPEG": encoded(RGB, "JPEG", quality=95),
    "progressive JPEG": encoded(RGB, "JPEG", progressive=True),
    "grey JPEG": encoded(RGB.convert("L"), "JPEG"),
    "CMYK JPEG": encoded(RGB.convert("CMYK"), "JPEG"),
    "MPO": encoded(RGB, "MPO", save_all=True, append_images=[palette("RGB")]),
    "PNG": encoded(RGB, "PNG"),
    "RGBA PNG": encoded(Image.fromarray(noise(4)), "PNG"),
    "LA PNG": encoded(Image.fromarray(noise(2)), "PNG"),
    "P PNG": encoded(palette(), "PNG"),
    "P PNG, one index clear": encoded(palette(), "PNG", transparency=3),
    "P PNG, alphas": encoded(palette(), "PNG", transparency=bytes([0, 40, 200, 255, 90, 0, 255, 17])),
    "1-bit PNG": encoded(RGB.convert("1"), "PNG"),
    "1-bit PNG, white clear": encoded(RGB.convert("1"), "PNG", transparency=1),
    "L PNG, a grey clear": encoded(RGB.convert("L"), "PNG", transparency=int(noise(1)[0, 0])),
    "RGB PNG, a colour clear": encoded(RGB, "PNG", transparency=tuple(noise()[0, 0].tolist())),
    "16-bit PNG": encoded(Image.fromarray(DEEP), "PNG"),
    "16-bit PNG, a grey clear": encoded(Image.fromarray(DEEP), "PNG", transparency=int(DEEP[5, 5])),
    "animated PNG": encoded(RGB, "PNG", save_all=True, append_images=[palette("RGB")]),
    "WebP": encoded(RGB, "WEBP"),
    "WebP with alpha": encoded(Image.fromarray(noise(4)), "WEBP", lossless=True),
    "animated WebP": encoded(RGB, "WEBP", save_all=True, append_images=[palette("RGB")], lossless=True),
    "BMP": encoded(RGB, "BMP"),
    "P BMP": encoded(palette(), "BMP"),
    "PPM": encoded(RGB, "PPM"),
    "PGM": encoded(RGB.convert("L"), "PPM"),
    "PBM": encoded(RGB.convert("1"), "PPM"),
    "16-bit PGM": b"P5 24 40 65535\n" + DEEP.astype(">u2").tobytes(),
    "GIF": encoded(palette(), "GIF"),
    "GIF, clear": encoded(palette(), "GIF", transparency=2),
    "animated GIF": encoded(palette(), "GIF", save_all=True, append_images=[RGB.convert("L").convert("P")]),
    "TIFF": encoded(RGB, "TIFF"),
    "TIFF of two pages": encoded(RGB, "TIFF", save_all=True, append_images=[palette("RGB")]),
    "CMYK TIFF": encoded(RGB.convert("CMYK"), "TIFF", compression="tiff_lzw"),
    "YCbCr TIFF": encoded(RGB.convert("YCbCr"), "TIFF"),
    "LAB TIFF": encoded(Image.merge("LAB", RGB.split()), "TIFF"),
    "16-bit TIFF, little endian": encoded(Image.fromarray(DEEP), "TIFF"),
    "16-bit TIFF, big endian": encoded(Image.fromarray(DEEP.astype(">u2")), "TIFF"),
    "AVIF": encoded(RGB, "AVIF", quality=90),
    "AVIF with alpha": encoded(Image.fromarray(noise(4)), "AVIF", quality=90),
    **{f"JPEG turned {value}": encoded(RGB, "JPEG", exif=turned(value)) for value in range(2, 9)},
    "PNG turned": encoded(Image.fromarray(noise(4)), "PNG", exif=turned(6)),
    "P PNG turned": encoded(palette(), "PNG", exif=turned(8), transparency=3),
    "WebP turned": encoded(RGB, "WEBP", exif=turned(5)),
    "TIFF turned": encoded(RGB, "TIFF", exif=turned(6)),
    "16-bit TIFF turned": encoded(Image.fromarray(DEEP), "TIFF", exif=turned(6)),
}


def forms(path: Path, data: bytes) -> Iterator[tuple[str, Any]]:
    """Every way in which a file's picture can be handed over."""
    yield "path as text", str(path)
    yield "bytes", data
    yield "bytearray", bytearray(data)
    yield "memoryview", memoryview(data)
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
    monkeypatch.setattr("reidr.data.pixels.STRIP_PIXELS", 7 * WIDTH + 5)
    assert {kind: read_picture(FILES[kind]).tobytes() for kind in FILES} == whole


def test_the_frame_that_a_pillow_image_is_at() -> None:
    frames = [Image.new("RGB", (8, 16), color) for color in ((250, 0, 0), (0, 0, 250))]
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("PNG", {})):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert read_picture(data).getpixel((4, 4)) == (250, 0, 0)
        opened = Image.open(io.BytesIO(data))
        opened.seek(1)
        assert read_picture(opened).getpixel((4, 4)) == (0, 0, 250)


def broken_lazily(data: bytes, kind: str) -> Image.Image:
    return Image.open(io.BytesIO(data[: len(data) * 2 // 3]), formats=[kind])


def closed() -> Image.Image:
    file = io.BytesIO(FILES["PNG"])
    picture = Image.open(file)
    file.close()
    return picture


def closed_file() -> io.BytesIO:
    file = io.BytesIO(b"x")
    file.close()
    return file


NOT_PICTURES: dict[str, tuple[Any, str]] = {
    "truncated JPEG": (lambda: broken_lazily(FILES["JPEG"], "JPEG"), "truncated"),
    "truncated PNG": (lambda: broken_lazily(FILES["PNG"], "PNG"), "truncated"),
    "closed": (closed, "damaged or truncated picture"),
    "0x10": (lambda: Image.new("RGB", (0, 10)), "0x10 is too small"),
    "1x1": (lambda: Image.new("RGB", (1, 1)), "1x1 is too small"),
    "4x1000": (lambda: Image.new("RGB", (4, 1000)), "4x1000 is too thin"),
    "32-bit float": (lambda: Image.new("F", (8, 16)), "32-bit values"),
    "32-bit int": (lambda: Image.new("I", (8, 16)), "32-bit values"),
    "32-bit TIFF": (lambda: encoded(Image.new("I", (8, 16)), "TIFF"), "32-bit values"),
    "12-bit TIFF": (lambda: deep_grey(12, 1), "grey of 12 bits"),
    "16-bit TIFF, white as 0": (lambda: Image.open(io.BytesIO(deep_grey(16, 0))), "white as 0"),
    "ICO": (lambda: Image.open(io.BytesIO(encoded(RGB, "ICO"))), "opened from a ICO file"),
    "a wild mark": (lambda: marked("yes"), "damaged"),
    "empty bytes": (lambda: b"", "empty file"),
    "no picture": (lambda: b"<html>", "not a picture in one of the formats JPEG"),
    "closed file": (closed_file, "cannot be read"),
    "text file": (lambda: io.StringIO("text"), "opened as text"),
    "None": (lambda: None, "NoneType is not a picture; give a path"),
    "a number": (lambda: 5, "int is not a picture"),
    "a list": (lambda: noise().tolist(), "list is not a picture"),
    "float array": (
        lambda: noise() / 255,
        r"float64 and shape \(40, 24, 3\) has no agreed black and white; give uint8",
    ),
    "int array": (lambda: noise().astype(np.int64), "int64 and shape .* has no agreed"),
    "deep colour": (lambda: noise().astype(np.uint16), "uint16 and shape .* has no agreed"),
    "objects": (lambda: np.array([["a"] * 8] * 8, dtype=object), "has no agreed"),
    "channels first": (lambda: noise().transpose(2, 0, 1), r"channels first; give array.transpose\(1, 2, 0\)"),
    "a batch": (lambda: noise()[None], "is not one picture"),
    "a row": (lambda: noise().ravel(), "is not one picture"),
    "five channels": (lambda: np.zeros((40, 24, 5), np.uint8), "is not one picture"),
    "empty array": (lambda: np.zeros((0, 10, 3), np.uint8), "10x0 is too small"),
    "thin array": (lambda: np.zeros((400, 4), np.uint8), "4x400 is too thin"),
    "float tensor": (lambda: torch.zeros(3, 40, 24), "tensor of type torch.float32"),
    "tensor of channels last": (lambda: torch.zeros(40, 24, 3, dtype=torch.uint8), "channels first as in torch"),
}


def deep_grey(bits: int, photometric: int) -> bytes:
    """A TIFF of black, 8 x 16 pixels of one value of `bits`."""
    size = 8 * 16 * bits // 8
    values = {256: 8, 257: 16, 258: bits, 259: 1, 262: photometric, 273: 200, 277: 1, 278: 16, 279: size}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values.items())
    head = b"II*\0" + struct.pack("<IH", 8, len(values)) + entries + struct.pack("<I", 0)
    return head.ljust(200, b"\0") + bytes(size)


def test_an_avif_without_its_decoder_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.features.check", lambda name: name != "avif")
    with pytest.raises(ImageError, match="this build of Pillow cannot read AVIF"):
        read_picture(FILES["AVIF"])


def marked(value: Any) -> Image.Image:
    picture = Image.fromarray(noise(1))
    picture.info["transparency"] = value
    return picture


@pytest.mark.parametrize("kind", NOT_PICTURES)
def test_what_is_no_picture_is_one_sentence_that_names_it(kind: str) -> None:
    make, said = NOT_PICTURES[kind]
    with pytest.raises(ImageError, match=said) as caught:
        read_picture(make(), "query 7")
    assert str(caught.value).startswith("query 7: ")
    assert "\n" not in str(caught.value)
    with pytest.raises(ImageError, match=said) as caught:
        Crop("q", make()).open()
    assert str(caught.value).startswith("crop q: ")


def test_the_array_is_rgb_and_not_shared() -> None:
    array = np.zeros((8, 8, 3), np.uint8)
    array[:] = (255, 128, 0)
    picture = read_picture(array)
    assert picture.getpixel((0, 0)) == (255, 128, 0)
    array[:] = 0
    assert picture.getpixel((0, 0)) == (255, 128, 0)


@pytest.mark.timeout(20)
def test_only_regular_files_are_opened_and_nothing_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.jpg"))
    (tmp_path / "endless.jpg").symlink_to("/dev/zero")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "gone.jpg").symlink_to("nothing")
    (tmp_path / "empty.jpg").touch()
    with (tmp_path / "large.jpg").open("wb") as file:
        file.truncate(50_000_000_000)
    wanted = {
        "pipe.jpg": "is a pipe, not a picture",
        "socket.jpg": "is a socket, not a picture",
        "endless.jpg": "is a device, not a picture",
        "loop.jpg": "cannot be opened",
        "gone.jpg": "no such file",
        "empty.jpg": "an empty file",
        "large.jpg": "more than the limit of 350,000,000 bytes",
        "": "is a folder, not a picture",
        "x" * 300: "cannot be opened",
        "zero\0byte": "cannot be opened",
    }
    for name, said in wanted.items():
        for read in (read_picture, open_image, regular_files.file_digest):
            with pytest.raises(ImageError, match=said):
                read(tmp_path / name)


def test_a_pipe_that_takes_a_files_place_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between looking and opening: the first look is made to see a regular file."""
    path = tmp_path / "a.jpg"
    path.write_bytes(FILES["JPEG"])
    facts = path.stat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(Path, "stat", lambda self, **_: facts)
    with pytest.raises(ImageError, match="is a pipe"):
        read_picture(path)


def test_links_to_pictures_are_followed_and_digests_are_of_bytes(tmp_path: Path) -> None:
    import hashlib

    (tmp_path / "a.jpg").write_bytes(FILES["JPEG"])
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    assert read_picture(tmp_path / "b.jpg").tobytes() == read_picture(tmp_path / "a.jpg").tobytes()
    assert regular_files.file_digest(tmp_path / "b.jpg") == hashlib.sha256(FILES["JPEG"]).hexdigest()


def test_a_file_that_grows_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(FILES["JPEG"])
    for name in ("check_regular",):
        monkeypatch.setattr(regular_files, name, lambda path, facts: None)
    monkeypatch.setattr(regular_files, "MAXIMUM_BYTES", 100)
    with pytest.raises(ImageError, match="more than the limit of 100 bytes"):
        regular_files.file_digest(tmp_path / "a.jpg")


def test_heic_is_read_with_its_extra_and_named_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif", reason="needs the extra 'heic'")
    stored = heif.from_pillow(Image.fromarray(np.kron(noise()[:16, :8], np.ones((8, 8, 1), np.uint8))))
    stored.save(tmp_path / "a.heic", quality=90)
    data = (tmp_path / "a.heic").read_bytes()
    picture = read_picture(tmp_path / "a.heic")
    assert picture.size == (64, 128)
    assert read_picture(data).tobytes() == picture.tobytes()
    assert read_picture(heif.HeifImageFile(io.BytesIO(data))).tobytes() == picture.tobytes()
    with pytest.raises(ImageError, match=r"damaged|not a picture"):
        read_picture(data[: len(data) // 2])
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=r"a\.heic: HEIC pictures need another package: pip install 'reidr\[heic\]'"):
        read_picture(tmp_path / "a.heic")


def test_every_ending_that_is_listed_belongs_to_a_format_that_is_read(tmp_path: Path) -> None:
    endings = Image.registered_extensions() | {".jfif": "JPEG", ".heic": "HEIF", ".heif": "HEIF"}
    assert {endings.get(suffix) for suffix in IMAGE_SUFFIXES} <= {*images.OPENED_FORMATS}
    assert {".jpg", ".jfif", ".png", ".gif", ".avif", ".heic", ".tif"} <= IMAGE_SUFFIXES


def test_named_file_objects_are_called_by_their_name() -> None:
    class Named(io.BytesIO):
        def __str__(self) -> str:
            return "picture 2"

    with pytest.raises(ImageError, match=r"^picture 2: not a picture"):
        open_image(Named(b"no picture"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WebP", "BMP"])
def test_half_a_picture_is_refused_even_where_pillow_was_told_to_pad(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    half = FILES[kind][: len(FILES[kind]) * 2 // 3]
    with pytest.raises(ImageError):
        read_picture(half)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True
    assert read_picture(FILES[kind]).size == (WIDTH, HEIGHT)
