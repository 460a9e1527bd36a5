"""The baseline everybody should beat: colour histograms of three horizontal stripes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reidr.retrieval.embedders.preprocess import resize

STRIPES = 3
BINS = (8, 4, 4)  # hue, saturation, value
SIZE = (96, 48)  # height, width


class HistogramEmbedder:
    """HSV histograms per stripe, square-rooted, so that Euclidean distance is Hellinger's. An `Embedder`."""

    name = "histogram"
    fingerprint = f"histogram-{STRIPES}-{BINS}-{SIZE}"
    input_size = SIZE

    def embed_pictures(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """(N, 384) float32 unit rows for N RGB pictures of any size."""
        features = np.empty((len(pictures), STRIPES * int(np.prod(BINS))), dtype=np.float32)
        for row, picture in enumerate(pictures):
            pixels = Image.fromarray(resize(picture, *SIZE)).convert("HSV")
            scaled = (np.asarray(pixels, dtype=np.int64) * np.array(BINS)) >> 8
            cells = np.ravel_multi_index(tuple(np.moveaxis(scaled, -1, 0)), BINS)
            for stripe, part in enumerate(np.array_split(cells, STRIPES)):
                counts = np.bincount(part.ravel(), minlength=int(np.prod(BINS)))
                features[row, stripe * len(counts) : (stripe + 1) * len(counts)] = np.sqrt(counts / part.size)
        return features / np.float32(np.sqrt(STRIPES))
