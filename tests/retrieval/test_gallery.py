"""The gallery's cache: keyed by content and embedder, harmless when damaged, and broken files lose only themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from reidr.data.reading.folder import crops_in_folder
from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.retrieval.gallery import Gallery, content_key


class Counting(HistogramEmbedder):
    """Counts the pictures it is asked to embed."""

    def __init__(self, fingerprint: str = "counting") -> None:
        self.fingerprint = fingerprint
        self.seen = 0

    def embed_pictures(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        self.seen += len(pictures)
        return super().embed_pictures(pictures)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "crops"
    path.mkdir()
    random = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        pixels = random.integers(0, 255, (40, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path / f"{name}.png")
    return path


def test_only_new_pixels_are_embedded(folder: Path, tmp_path: Path) -> None:
    cache, embedder = tmp_path / "cache", Counting()
    first = Gallery.build(crops_in_folder(folder), embedder, cache=cache)
    assert embedder.seen == 3
    (folder / "a.png").rename(folder / "z.png")  # a new name, the same pixels
    again = Gallery.build(crops_in_folder(folder), embedder, cache=cache)
    assert embedder.seen == 3
    assert np.array_equal(again.features[2], first.features[0])
    Image.new("RGB", (20, 40), (200, 10, 10)).save(folder / "b.png")  # the same name, new pixels
    Gallery.build(crops_in_folder(folder), embedder, cache=cache)
    assert embedder.seen == 4


def test_another_embedder_has_another_cache(folder: Path, tmp_path: Path) -> None:
    Gallery.build(crops_in_folder(folder), Counting("one"), cache=tmp_path / "cache")
    other = Counting("two")
    Gallery.build(crops_in_folder(folder), other, cache=tmp_path / "cache")
    assert other.seen == 3


def test_a_damaged_cache_is_rebuilt(folder: Path, tmp_path: Path) -> None:
    cache, embedder = tmp_path / "cache", Counting()
    whole = Gallery.build(crops_in_folder(folder), embedder, cache=cache)
    (path,) = cache.glob("*.npz")
    path.write_bytes(path.read_bytes()[:50])
    again = Gallery.build(crops_in_folder(folder), embedder, cache=cache)
    assert embedder.seen == 6
    assert np.array_equal(whole.features, again.features)


def test_broken_files_are_named_and_the_rest_stays(folder: Path, tmp_path: Path) -> None:
    (folder / "b.png").write_bytes(b"\x89PNG broken")
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        gallery = Gallery.build(crops_in_folder(folder), HistogramEmbedder(), cache=cache)
        assert gallery.ids == ("a.png", "c.png")
        assert len(gallery.problems) == 1
        assert "b.png" in gallery.problems[0]
        assert gallery.features.shape == (2, 384)


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.png"):
        Gallery.build(crops_in_folder(tmp_path), HistogramEmbedder())


def test_progress_counts_every_crop_once(folder: Path, tmp_path: Path) -> None:
    steps: list[float] = []
    for _ in range(2):
        steps.clear()
        Gallery.build(crops_in_folder(folder), HistogramEmbedder(), cache=tmp_path / "c", advance=steps.append)
        assert sum(steps) == 3


def test_the_key_is_of_content_not_of_name(folder: Path) -> None:
    picture = Image.new("RGB", (8, 8))
    assert content_key(Crop("x", picture)) == content_key(Crop("y", picture.copy()))
    assert content_key(Crop("x", picture)) != content_key(Crop("x", Image.new("RGB", (8, 8), (1, 0, 0))))
    assert content_key(Crop("gone", folder / "gone.png")) == ""
