"""No damaged picture does anything but become a picture or an ImageError, soon and in bounded memory."""

from __future__ import annotations

import io
import resource
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from picture_mutations import mutated, seeds
from PIL import Image, UnidentifiedImageError

from reidr.data.pictures.images import MAXIMUM_PIXELS, MAXIMUM_RATIO, MINIMUM_SIDE, OPENED_FORMATS, read_picture
from reidr.errors import ImageError

PICTURES = 10_000  # of the slow run
A_FEW = 300
SECONDS = 20  # that one picture may take, on a busy machine; a 40-megapixel one takes about one
MEGABYTES = 1_500  # that the process may grow: one 40-megapixel picture is held in up to three forms for a moment


def run(number: int, seed: int, folder: Path) -> Counter[str]:
    """Feed `number` mutations through the entrance, as file, bytes, file object and opened by Pillow in turn."""
    random = np.random.default_rng(seed)
    files = seeds()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ended: Counter[str] = Counter()
    path = folder / "mutated"
    for count in range(number):
        data = mutated(files[count % len(files)], files[random.integers(len(files))], random)
        way = count // len(files) % 4
        path.write_bytes(data)
        began = time.monotonic()
        try:
            picture = read_picture((path, data, io.BytesIO(data))[way] if way < 3 else opened(path))
        except ImageError as error:
            assert "\n" not in str(error)  # noqa: PT017 - most of ten thousand end here, and none need to
            ended["refused"] += 1
        except UnidentifiedImageError:
            ended["refused by Pillow"] += 1
        else:
            width, height = picture.size
            assert (picture.mode, len(picture.tobytes())) == ("RGB", 3 * width * height)
            assert width * height <= MAXIMUM_PIXELS
            assert min(width, height) >= MINIMUM_SIDE
            assert max(width, height) <= MAXIMUM_RATIO * min(width, height)
            ended["read"] += 1
        took = time.monotonic() - began
        assert took < SECONDS, f"picture {count} took {took:.0f} s"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < MEGABYTES, f"memory grew by {grown:.0f} MB"
    return ended


def opened(path: Path) -> Image.Image:
    """The file opened by a caller; what Pillow itself cannot open never reaches us."""
    try:
        return Image.open(path, formats=[kind for kind in OPENED_FORMATS if kind not in ("MPO", "HEIF")])
    except Exception as error:  # whatever Pillow raises here is the caller's
        raise UnidentifiedImageError(str(error)) from None


def test_a_few_hundred_damaged_pictures(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on damaged tags
        ended = run(A_FEW, 1, tmp_path)
    assert ended["read"] > 10
    assert ended["refused"] > 50


MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I;16", "I;16B", "I", "F")
WILD = (
    None,
    -1,
    255,
    70_000,
    2**40,
    1.5,
    "x",
    b"",
    b"\0\xff",
    (1, 2, 3),
    (1, 2),
    (300, 300, 300),
    [1, 2, 3],
    (1, "a", 3),
)


def test_wild_remarks_of_a_picture_in_memory_do_no_harm() -> None:
    random = np.random.default_rng(3)
    ended: Counter[str] = Counter()
    for count in range(A_FEW * 4):
        picture = Image.new(MODES[count % len(MODES)], (4, 8))
        for name in ("transparency", "exif", "xmp"):
            if random.random() < 0.5:
                picture.info[name] = WILD[random.integers(len(WILD))]
        try:
            assert read_picture(picture).size == (4, 8)
            ended["read"] += 1
        except ImageError:
            ended["refused"] += 1
    assert min(ended["read"], ended["refused"]) > A_FEW


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_damaged_pictures(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ended = run(PICTURES, 2, tmp_path)
    print(dict(ended))
    assert ended["read"] > 0.05 * PICTURES
    assert ended["refused"] > 0.2 * PICTURES
