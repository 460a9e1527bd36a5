"""What is no picture is one sentence, however it comes, and is neither waited for nor read without end."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from picture_files import FILES, HEIGHT, RGB, WIDTH, encoded, noise
from PIL import Image, ImageFile

from reidr.data.pictures import images, regular_files
from reidr.data.pictures.images import IMAGE_SUFFIXES, open_image, read_picture
from reidr.data.types import Crop
from reidr.errors import ImageError


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
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
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


def test_a_reader_that_fails_and_a_tensor_without_values_are_no_pictures() -> None:
    class Failing:
        def read(self, size: int = -1) -> bytes:
            raise RuntimeError("the line is down")

    with pytest.raises(ImageError, match=r"cannot be read \(the line is down\)"):
        read_picture(Failing())
    with pytest.raises(ImageError, match="has no values"):
        read_picture(torch.empty(3, 64, 32, dtype=torch.uint8, device="meta"))
