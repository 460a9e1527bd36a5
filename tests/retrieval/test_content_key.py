"""The key of a cached embedding: equal for one picture in its forms of bytes or of pixels, other for other pixels."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import small_network
from PIL import Image

from reidr.data.types import Crop
from reidr.retrieval import gallery
from reidr.retrieval.content_key import content_key
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.retrieval.embedders.retriever import Retriever
from reidr.retrieval.gallery import Gallery

ORIENTATION = 274


def noise(channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (40, 24, channels), dtype=np.uint8)


def turned() -> Image.Image:
    """A picture of which a file says that it is to be turned, opened and held in memory."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    file = io.BytesIO()
    Image.fromarray(noise()).save(file, "PNG", exif=exif)
    picture = Image.open(file).copy()
    assert picture.size == (24, 40)
    return picture


def test_there_is_one_definition() -> None:
    assert gallery.content_key is content_key


def test_a_file_and_its_bytes_have_one_key(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(noise()).save(path)
    keys = {content_key(Crop("a", form)) for form in (path, str(path), path.read_bytes(), bytearray(path.read_bytes()))}
    assert len(keys) == 1
    assert keys != {""}


def test_pixels_in_any_form_have_one_key() -> None:
    array = noise()
    lazily = io.BytesIO()
    Image.fromarray(array).save(lazily, "PNG")
    forms = (array, Image.fromarray(array), Image.open(lazily), np.dstack([array, np.full((40, 24), 255, np.uint8)]))
    assert len({content_key(Crop("a", form)) for form in forms}) == 1
    # What decoding takes away is no difference either: the same pixels, the same embedding.
    assert content_key(Crop("a", turned())) == content_key(Crop("a", np.rot90(array, -1)))


def other_pixels() -> dict[str, tuple[Image.Image, Image.Image]]:
    """Pairs whose bytes in memory are the same, while what the network is given is not."""
    one = Image.fromarray(noise()).quantize(8)
    two = one.copy()
    two.putpalette(one.getpalette()[::-1])
    marked = one.copy()
    marked.info["transparency"] = one.getpixel((0, 0))
    alphas = one.copy()
    alphas.info["transparency"] = bytes(range(0, 80, 10))
    grey, marked_grey = Image.fromarray(noise()[:, :, 0]), Image.fromarray(noise()[:, :, 0])
    marked_grey.info["transparency"] = int(noise()[0, 0, 0])
    ycbcr = Image.frombytes("YCbCr", (24, 40), noise().tobytes())
    return {
        "palettes": (one, two),
        "a clear index": (one, marked),
        "alphas of a palette": (one, alphas),
        "a clear grey": (grey, marked_grey),
        "colour spaces": (Image.fromarray(noise()), ycbcr),
        "a turn": (Image.fromarray(noise()), turned()),
        "sides": (Image.fromarray(noise()), Image.fromarray(noise().reshape(24, 40, 3))),
        "byte orders": (
            Image.frombytes("I;16", (24, 40), noise(2).tobytes()),
            Image.frombytes("I;16B", (24, 40), noise(2).tobytes()),
        ),
    }


@pytest.mark.parametrize("kind", other_pixels())
def test_what_the_network_sees_decides_the_key(kind: str, tmp_path: Path) -> None:
    one, two = (Crop("a", picture) for picture in other_pixels()[kind])
    assert one.image.tobytes() == two.image.tobytes()  # type: ignore[union-attr]
    assert content_key(one) != content_key(two)
    embedder = Retriever(small_network(), "small", "f")
    Gallery.build([one], embedder, cache=tmp_path)
    cached = Gallery.build([two], embedder, cache=tmp_path).features
    assert np.array_equal(cached, embedder.embed_pictures([two.open()]))
    assert not np.array_equal(cached, embedder.embed_pictures([one.open()]))


@pytest.mark.timeout(20)
def test_what_cannot_be_read_has_no_key_and_ends_no_search(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "endless.jpg").symlink_to("/dev/zero")
    (tmp_path / "thin.png").write_bytes(b"")
    Image.new("RGB", (4, 1000)).save(tmp_path / "thin.png")
    file = io.BytesIO()
    Image.fromarray(noise()).save(file, "PNG")
    truncated = Image.open(io.BytesIO(file.getvalue()[:900]))
    unusable = [
        Crop("pipe", tmp_path / "pipe.jpg"),
        Crop("endless", tmp_path / "endless.jpg"),
        Crop("folder", tmp_path),
        Crop("truncated", truncated),
        Crop("empty", Image.new("RGB", (0, 10))),
        Crop("thin", Image.new("RGB", (4, 1000))),
        Crop("float", np.zeros((40, 24, 3))),  # type: ignore[arg-type]
    ]
    assert [content_key(crop) for crop in unusable] == [""] * len(unusable)
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        found = Gallery.build(
            [*unusable, Crop("good", noise()), Crop("thin file", tmp_path / "thin.png")],  # type: ignore[arg-type]
            HistogramEmbedder(),
            cache=cache,
        )
        assert found.ids == ("good",)
        assert len(found.problems) == len(unusable) + 1
        assert all("\n" not in problem for problem in found.problems)
