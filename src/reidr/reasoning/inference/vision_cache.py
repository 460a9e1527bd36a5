"""The vision encoder's output for each distinct crop, computed once and kept within a limit of memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import torch
from PIL import Image

from reidr.data.pictures.images import read_picture
from reidr.data.pictures.pixels import pixel_digest
from reidr.reasoning.models.vision_language_model import EncodedCrop, VisionLanguageModel

TOGETHER = 64  # pictures that pass the vision encoder in one call


def picture_digest(image: Image.Image) -> str:
    """SHA-256 of the size and the RGB pixels that the model is given: palettes, transparency and turns count.

    Raises ImageError for a picture that cannot be used.
    """
    return pixel_digest(read_picture(image))


def encode_images(model: VisionLanguageModel, images: Sequence[Image.Image]) -> list[EncodedCrop]:
    """These prepared pictures, encoded, `TOGETHER` at a time."""
    crops: list[EncodedCrop] = []
    for start in range(0, len(images), TOGETHER):
        crops += model.encode(model.read_pixels(images[start : start + TOGETHER]))
    return crops


class VisionCache:
    """Encoded crops by the digest of their picture; the least recently used are dropped beyond `capacity` bytes.

    They are kept in the type that the model computes in, so that nothing is rounded.
    """

    def __init__(self, model: VisionLanguageModel, capacity: int) -> None:
        self.model, self.capacity = model, capacity
        self._kept: OrderedDict[str, EncodedCrop] = OrderedDict()
        self._bytes = 0

    @torch.inference_mode()
    def encode(self, pictures: Mapping[str, Callable[[], Image.Image]]) -> dict[str, EncodedCrop]:
        """The encoded crops of these pictures, given as digest → how to open it. Raises ImageError as opening does."""
        encoded = {}
        for digest in pictures:
            if digest in self._kept:
                self._kept.move_to_end(digest)
                encoded[digest] = self._kept[digest]
        missing = [digest for digest in pictures if digest not in encoded]
        for start in range(0, len(missing), TOGETHER):
            digests = missing[start : start + TOGETHER]
            images = [self.model.prepare(read_picture(pictures[digest]())) for digest in digests]
            for digest, crop in zip(digests, encode_images(self.model, images), strict=True):
                # A slice would keep the whole batch alive for as long as one of its pictures is kept.
                own = EncodedCrop(crop.shape, tuple(layer.clone() for layer in crop.layers))
                encoded[digest] = self._kept[digest] = own
                self._bytes += own.bytes
        while self._bytes > self.capacity and self._kept:
            self._bytes -= self._kept.popitem(last=False)[1].bytes
        return encoded
