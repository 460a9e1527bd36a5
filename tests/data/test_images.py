"""Every kind of file that is no usable picture, and the turns and layers of those that are."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reidr.data.pictures.images import MAXIMUM_PIXELS, open_image
from reidr.data.types import Crop
from reidr.errors import ImageError

ORIENTATION = 274
QUARTER_TURN = 6  # shown turned by 90 degrees clockwise


def noise(width: int = 24, height: int = 40) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    noise().save(buffer, kind)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises `width` x `height` pixels and holds none."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def saved(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


BAD = {
    "empty": (lambda: b"", "not a picture"),
    "text": (lambda: b"<html>404 not found</html>", "not a picture"),
    "half a JPEG": (lambda: encoded("JPEG")[: len(encoded("JPEG")) // 2], "truncated"),
    "JPEG without its end": (lambda: encoded("JPEG")[:-60], "truncated"),
    "half a PNG": (lambda: encoded("PNG")[: len(encoded("PNG")) // 2], "truncated"),
    "PNG of 2,500 megapixels": (lambda: png_header(50_000, 50_000), "more.*limit of 40,000,000"),
    "just above the limit": (lambda: png_header(MAXIMUM_PIXELS // 8 + 1, 8), "5000001x8 is more than the limit"),
    "too thin": (lambda: png_header(1000, 4), "1000x4 is too thin to show a person"),
    "just too high": (lambda: saved(Image.new("RGB", (4, 81)), "PNG"), "4x81 is too thin"),
    "tiny": (lambda: saved(Image.new("RGB", (3, 40)), "PNG"), "3x40 is too small"),
    "ICO called .jpg": (lambda: encoded("ICO"), "not a picture in one of the formats JPEG"),
    "32-bit values": (lambda: saved(Image.new("F", (8, 16), 0.5), "TIFF"), "32-bit values"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_one_sentence_that_names_the_file(tmp_path: Path, kind: str) -> None:
    make, said = BAD[kind]
    path = tmp_path / "bad.jpg"
    path.write_bytes(make())
    with pytest.raises(ImageError, match=said) as caught:
        open_image(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    with pytest.raises(ImageError, match=said):
        Crop("bad", path).open()


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone.jpg: no such file"):
        open_image(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="is a folder, not a picture"):
        open_image(tmp_path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's remarks on damaged tags
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "PPM", "TIFF", "GIF", "AVIF"])
def test_the_format_goes_by_content_and_any_damage_is_an_image_error(tmp_path: Path, kind: str) -> None:
    data = encoded(kind)
    path = tmp_path / "picture.jpg"
    path.write_bytes(data)
    assert (open_image(path).mode, open_image(path).size) == ("RGB", (24, 40))
    random = np.random.default_rng(1)
    refused = 0
    for _ in range(60):
        damaged = bytearray(data)
        for place in random.integers(0, min(len(data), 300), 6):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged)
        try:
            open_image(path)
        except ImageError:
            refused += 1
    assert refused > 0


@pytest.mark.parametrize(
    ("mode", "kind", "left"),
    [
        ("RGB", "JPEG", (255, 0, 0)),
        ("RGB", "PNG", (255, 0, 0)),
        # Half red over the grey of 127: 255 * 128/255 + 127 * 127/255 = 191.3 red, 127 * 127/255 = 63.3 of the others.
        ("RGBA", "PNG", (191, 63, 63)),
    ],
)
def test_exif_turns_are_applied(tmp_path: Path, mode: str, kind: str, left: tuple[int, ...]) -> None:
    # Stored: lower half red, upper half black. Turned clockwise the lower half comes to the left.
    clear = (128,) if mode == "RGBA" else ()
    stored = Image.new(mode, (32, 64), (0, 0, 0, *clear))
    stored.paste((255, 0, 0, *clear), (0, 32, 32, 64))
    exif = Image.Exif()
    exif[ORIENTATION] = QUARTER_TURN
    path = tmp_path / "turned"
    stored.save(path, kind, exif=exif)
    picture = open_image(path)
    assert picture.size == (64, 32)
    assert np.abs(np.array(picture.getpixel((8, 16))) - left).max() <= 3  # JPEG rounds
    assert picture.getpixel((56, 16))[0] <= 66


def palette() -> Image.Image:
    picture = Image.new("P", (8, 16), 1)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    return picture


@pytest.mark.parametrize(
    ("make", "options", "color"),
    [
        (lambda: Image.new("RGBA", (8, 16), (255, 0, 0, 0)), {}, (127, 127, 127)),
        (lambda: Image.new("RGBA", (8, 16), (255, 0, 0, 255)), {}, (255, 0, 0)),
        (lambda: Image.new("LA", (8, 16), (200, 0)), {}, (127, 127, 127)),
        (palette, {"transparency": 1}, (127, 127, 127)),
        (palette, {}, (255, 0, 0)),
        (lambda: Image.new("L", (8, 16), 90), {}, (90, 90, 90)),
        (lambda: Image.new("1", (8, 16), 1), {}, (255, 255, 255)),
    ],
)
def test_transparency_lies_on_grey(
    tmp_path: Path, make: Callable[[], Image.Image], options: dict[str, int], color: tuple[int, int, int]
) -> None:
    make().save(tmp_path / "a.png", **options)
    assert open_image(tmp_path / "a.png").getpixel((4, 4)) == color


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    values = np.array([[0, 255, 256, 32_768], [65_535, 65_280, 12_800, 511]] * 4, dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    assert (np.asarray(open_image(tmp_path / "deep.png"))[:, :, 0] == values // 256).all()


def test_pictures_in_memory_become_rgb() -> None:
    assert Crop("m", Image.new("L", (8, 16), 9)).open().getpixel((0, 0)) == (9, 9, 9)
    picture = noise()
    assert Crop("m", picture).open() is picture
