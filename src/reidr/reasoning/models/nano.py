"""`nano`: Qwen3-VL's language model behind a re-identification network (`reidr.reasoning.nano`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

import reidr.reasoning.nano.model  # noqa: F401 - registers `nano` with transformers' auto classes
from reidr.reasoning.models.qwen import Qwen3_VL
from reidr.reasoning.models.vision_language_model import EncodedCrop, PixelInput, Shape


class Nano(Qwen3_VL):
    """`nano`: crops of a prompt are compared with each other, and the vision encoder gives embeddings."""

    compares_crops: ClassVar[bool] = True
    gives_embeddings: ClassVar[bool] = True
    has_connector: ClassVar[bool] = True

    def embeddings(self, crop: EncodedCrop) -> tuple[Tensor, Tensor, Tensor]:
        """As `VisionLanguageModel.embeddings`."""
        vectors: tuple[Tensor, Tensor, Tensor] = self.model.model.embeddings(crop.layers[0])
        return vectors

    def encode_before_connector(self, crops: Sequence[PixelInput]) -> list[Tensor]:
        """As `VisionLanguageModel.encode_before_connector`."""
        patches, grid = self._patches(crops)
        raw = self.model.model.visual.before_connector(patches, grid)
        return list(raw.split([self.image_tokens(crop.shape) for crop in crops]))

    def connect(self, raw: Sequence[Tensor], shapes: Sequence[Shape]) -> list[EncodedCrop]:
        """As `VisionLanguageModel.connect`."""
        sizes = [len(tokens) for tokens in raw]
        tokens = self.model.model.visual.connect(torch.cat(self.to_model(raw)), sizes)
        return [EncodedCrop(shape, (own,)) for shape, own in zip(shapes, tokens.split(sizes), strict=True)]
