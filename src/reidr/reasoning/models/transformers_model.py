"""What the adapters of transformers' architectures have in common; an architecture overrides what differs.

transformers gives every vision-language model `get_image_features` and a forward pass that takes its result
(`mm_encoder_outputs`), so each distinct crop is encoded once, however many prompts show it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from reidr.errors import ReIDError
from reidr.reasoning.models.vision_language_model import EncodedCrop, PixelInput, Shape, TokenBatch


class TransformersModel:
    """A model whose pictures have a fixed number of tokens, each with its place in the text as only position.

    A subclass gives `vision_parts`, `read_pixels`, `encode` and `picture_text`.
    """

    processor_class: ClassVar[type[Any] | None] = None
    picture_tokens: ClassVar[tuple[str, ...]] = ()
    axes: ClassVar[int] = 1
    compares_crops: ClassVar[bool] = False
    gives_embeddings: ClassVar[bool] = False
    shares_beginnings: ClassVar[bool] = True
    continues_with_gradients: ClassVar[bool] = True
    has_connector: ClassVar[bool] = False

    def __init__(self, model: Any, processor: Any, pixels: tuple[int, int] | None = None) -> None:
        self.model, self.processor, self.pixels = unwrap(model), processor, pixels
        self._pictures: dict[Shape, list[int]] = {}
        named = "cache" in inspect.signature(self.model.forward).parameters
        self._cache_name = "cache" if named else "past_key_values"  # the name before transformers 5.24

    @staticmethod
    def vision_parts(model: Any) -> tuple[nn.Module, ...]:
        """As `VisionLanguageModel.vision_parts`."""
        raise NotImplementedError

    def prepare(self, image: Image.Image) -> Image.Image:
        """As `VisionLanguageModel.prepare`."""
        return image

    def read_pixels(self, images: Sequence[Image.Image]) -> list[PixelInput]:
        """As `VisionLanguageModel.read_pixels`."""
        raise NotImplementedError

    def encode(self, crops: Sequence[PixelInput]) -> list[EncodedCrop]:
        """As `VisionLanguageModel.encode`."""
        raise NotImplementedError

    def picture_text(self, shape: Shape) -> str:
        """What stands in a prompt in the place of a picture's placeholder."""
        raise NotImplementedError

    def picture_ids(self, shape: Shape) -> list[int]:
        """Token ids of `picture_text`."""
        if shape not in self._pictures:
            text = self.picture_text(shape)
            self._pictures[shape] = list(self.processor.tokenizer.encode(text, add_special_tokens=False))
        return self._pictures[shape]

    def image_tokens(self, shape: Shape) -> int:
        """As `VisionLanguageModel.image_tokens`."""
        return self.picture_ids(shape).count(self.processor.image_token_id)

    def picture_length(self, width: int, height: int) -> int:
        """As `VisionLanguageModel.picture_length`."""
        return len(self.picture_ids(()))

    def lay_out(self, ids: Sequence[int], shapes: Sequence[Shape]) -> tuple[list[int], Tensor]:
        """As `VisionLanguageModel.lay_out`."""
        image = self.processor.image_token_id
        placeholders = sum(token == image for token in ids)
        if placeholders != len(shapes):
            raise ReIDError(f"the prompt has {placeholders} image placeholders for {len(shapes)} pictures")
        pictures = iter(shapes)
        written: list[int] = []
        for token in ids:
            written += self.picture_ids(next(pictures)) if token == image else [token]
        return written, self.positions(written, shapes)

    def positions(self, ids: Sequence[int], shapes: Sequence[Shape]) -> Tensor:
        """(axes, length) positions of a prompt that is laid out."""
        return torch.arange(len(ids)).expand(self.axes, -1)

    def visual_inputs(self, crops: Sequence[EncodedCrop]) -> dict[str, Any]:
        """What `get_image_features` would give for these crops in this order, as the forward pass takes it."""
        features: Any = torch.cat([crop.layers[0] for crop in crops])
        return {"mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=features)}}

    def inputs(self, batch: TokenBatch, crops: Sequence[EncodedCrop]) -> dict[str, Any]:
        """As `VisionLanguageModel.inputs`."""
        positions = batch.positions if self.axes > 1 else batch.positions[0]
        tokens = {"input_ids": batch.ids, "attention_mask": batch.mask, "position_ids": positions}
        return {**tokens, **self.visual_inputs(crops)} if crops else tokens

    def forward(
        self, batch: TokenBatch, crops: Sequence[EncodedCrop] = (), cache: Any = None, *, keep: bool = True
    ) -> tuple[Tensor, Any]:
        """As `VisionLanguageModel.forward`."""
        earlier = {} if cache is None else {self._cache_name: cache}
        output = self.model(**self.inputs(batch, crops), **earlier, logits_to_keep=1, use_cache=keep)
        return output.logits[:, -1], output[self._cache_name] if keep else None

    def embeddings(self, crop: EncodedCrop) -> tuple[Tensor, Tensor, Tensor]:
        """As `VisionLanguageModel.embeddings`. Raises ReIDError: this architecture gives none."""
        raise ReIDError(f"the vision encoder of {type(self.model).__name__} gives no embeddings")

    def encode_before_connector(self, crops: Sequence[PixelInput]) -> list[Tensor]:
        """As `VisionLanguageModel.encode_before_connector`. Raises ReIDError: this architecture has no connector."""
        raise self._no_connector()

    def connect(
        self, raw: Sequence[Tensor], shapes: Sequence[Shape], attributes: Tensor | None = None
    ) -> list[EncodedCrop]:
        """As `VisionLanguageModel.connect`. Raises ReIDError: this architecture has no connector."""
        raise self._no_connector()

    def _no_connector(self) -> ReIDError:
        return ReIDError(
            f"{type(self.model).__name__} has no connector that can be trained alone; train nothing or all of the"
            " vision encoder"
        )

    def to_model(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The tensors on the model's device and in its floating-point type."""
        return [tensor.to(self.model.device, self.model.dtype) for tensor in tensors]


class FixedSizeModel(TransformersModel):
    """A model that resizes every crop to one square tile: `get_image_features` takes (crops, 3, side, side)."""

    def tiles(self, images: Sequence[Image.Image]) -> Tensor:
        """(crops, 3, side, side) values of the pictures."""
        raise NotImplementedError

    def features(self, tiles: Tensor) -> Sequence[Tensor]:
        """(tokens, values) of each of the tiles."""
        features: Sequence[Tensor] = self.model.get_image_features(tiles, return_dict=True).pooler_output
        return features

    def read_pixels(self, images: Sequence[Image.Image]) -> list[PixelInput]:
        """As `VisionLanguageModel.read_pixels`."""
        return [PixelInput((), (tile,)) for tile in self.tiles(images)]

    def encode(self, crops: Sequence[PixelInput]) -> list[EncodedCrop]:
        """As `VisionLanguageModel.encode`."""
        tiles = torch.stack(self.to_model([crop.tensors[0] for crop in crops]))
        return [EncodedCrop((), (features,)) for features in self.features(tiles)]


def unwrap(model: Any) -> Any:
    """The model itself, where LoRA wraps it (the adapters stay active inside)."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model
