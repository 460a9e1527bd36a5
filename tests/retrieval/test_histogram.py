"""The colour-histogram baseline against a count pixel by pixel."""

from __future__ import annotations

import colorsys

import numpy as np
from pictures import pictures
from PIL import Image

from reidr.retrieval.embedders.histogram import SIZE, HistogramEmbedder


def test_matches_a_naive_count():
    # The embedder's own size, so that no resizing stands between the two counts.
    height, width = SIZE
    picture = pictures(1, seed=5, size=(width, height))[0]
    pixels = picture.convert("HSV").load()
    counts = np.zeros((3, 8, 4, 4))
    for y in range(height):
        for x in range(width):
            hue, saturation, value = pixels[x, y]
            counts[y * 3 // height, hue // 32, saturation // 64, value // 64] += 1
    expected = np.sqrt(counts / counts.sum()).ravel()
    assert np.allclose(HistogramEmbedder().embed_pictures([picture])[0], expected, atol=1e-6)


def test_hand_worked_stripes():
    """Red above, green in the middle, blue below: three bins, each with a third of the pixels, sqrt(1/3) = 0.5774."""
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    pixels = np.repeat(np.array(colours, dtype=np.uint8), 32, axis=0)[:, None].repeat(48, axis=1)
    row = HistogramEmbedder().embed_pictures([Image.fromarray(pixels)])[0]
    filled = np.flatnonzero(row)
    hues = [int(colorsys.rgb_to_hsv(*(part / 255 for part in colour))[0] * 8) for colour in colours]
    assert filled.tolist() == [stripe * 128 + hue * 16 + 15 for stripe, hue in enumerate(hues)]
    assert np.allclose(row[filled], np.sqrt(1 / 3), atol=1e-6)


def test_rows_have_length_1_and_batches_change_nothing():
    embedder, batch = HistogramEmbedder(), pictures(4) + pictures(1, seed=9, size=(7, 5))
    rows = embedder.embed_pictures(batch)
    assert rows.shape == (5, 384)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    for row, picture in zip(rows, batch, strict=True):
        assert np.array_equal(embedder.embed_pictures([picture])[0], row)
    assert embedder.embed_pictures([]).shape == (0, 384)


def test_a_stripe_swap_changes_it_and_a_mirror_does_not():
    embedder = HistogramEmbedder()
    picture = pictures(1, size=(48, 96))[0]
    upside_down = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    first, turned, mirror = embedder.embed_pictures([picture, upside_down, mirrored])
    assert np.allclose(first, mirror)
    assert first @ turned < 0.9
