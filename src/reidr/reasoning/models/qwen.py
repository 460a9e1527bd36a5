"""Qwen2.5-VL, Qwen3-VL and Qwen3.5: pictures of any size, tokens with a row and a column, features added inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor, nn
from transformers import Qwen2_5_VLProcessor as UpstreamQwen2_5_VLProcessor
from transformers import Qwen3VLProcessor as UpstreamQwen3VLProcessor
from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures

from reidr.reasoning.models.image_only import ImageOnly
from reidr.reasoning.models.transformers_model import TransformersModel
from reidr.reasoning.models.vision_language_model import EncodedCrop, PixelInput, Shape
from reidr.reasoning.prompting.prompt import prepare, prepared_options

VISION_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>")


class Qwen2_5_VLProcessor(ImageOnly, UpstreamQwen2_5_VLProcessor):  # noqa: N801
    """Qwen2.5-VL's processor without videos."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None, **options: Any
    ) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template, **options)


class Qwen3VLProcessor(ImageOnly, UpstreamQwen3VLProcessor):
    """Qwen3-VL's processor without videos."""

    video_processor_type = "Qwen3VLVideoProcessor"

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None, **options: Any
    ) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template, **options)


class QwenVL(TransformersModel):
    """What they have in common. The shape of a crop is its grid: (frames, rows, columns) of patches."""

    picture_tokens: ClassVar[tuple[str, ...]] = VISION_TOKENS
    axes: ClassVar[int] = 3

    @staticmethod
    def vision_parts(model: Any) -> tuple[nn.Module, ...]:
        """As `VisionLanguageModel.vision_parts`."""
        return (model.model.visual,)

    def prepare(self, image: Image.Image) -> Image.Image:
        """As `VisionLanguageModel.prepare`."""
        return prepare(self.processor, image, self.pixels)

    def read_pixels(self, images: Sequence[Image.Image]) -> list[PixelInput]:
        """As `VisionLanguageModel.read_pixels`: a crop's tensor is (patches, values)."""
        options = prepared_options(self.processor, self.pixels)
        inputs = self.processor.image_processor(list(images), return_tensors="pt", **options)
        grid = inputs["image_grid_thw"]
        patches = inputs["pixel_values"].split(grid.prod(dim=1).tolist())
        return [PixelInput(tuple(shape), (own,)) for shape, own in zip(grid.tolist(), patches, strict=True)]

    def encode(self, crops: Sequence[PixelInput]) -> list[EncodedCrop]:
        """As `VisionLanguageModel.encode`."""
        patches, grid = self._patches(crops)
        output = self.model.get_image_features(patches, grid, return_dict=True)
        layers = [output.pooler_output]
        if "deepstack_features" in output:
            layers += output.deepstack_features or []
        return [EncodedCrop(crop.shape, tuple(layer[place] for layer in layers)) for place, crop in enumerate(crops)]

    def _patches(self, crops: Sequence[PixelInput]) -> tuple[Tensor, Tensor]:
        grid = torch.tensor([crop.shape for crop in crops], device=self.model.device)
        return torch.cat(self.to_model([crop.tensors[0] for crop in crops])), grid

    def image_tokens(self, shape: Shape) -> int:
        """As `VisionLanguageModel.image_tokens`: one for each `spatial_merge_size` x `spatial_merge_size` patches."""
        frames, rows, columns = shape
        return frames * rows * columns // self.model.config.vision_config.spatial_merge_size**2

    def picture_ids(self, shape: Shape) -> list[int]:
        """As `TransformersModel.picture_ids`: the template writes the marks around a picture."""
        return [self.processor.image_token_id] * self.image_tokens(shape)

    def picture_length(self, width: int, height: int) -> int:
        """As `VisionLanguageModel.picture_length`."""
        images = self.processor.image_processor
        size = {} if self.pixels is None else {"min_pixels": self.pixels[0], "max_pixels": self.pixels[1]}
        return int(images.get_number_of_image_patches(height, width, size)) // int(images.merge_size**2)

    def positions(self, ids: Sequence[int], shapes: Sequence[Shape]) -> Tensor:
        """As `TransformersModel.positions`: frame, row and column of image tokens, three times the same for words."""
        if not shapes:
            return super().positions(ids, shapes)
        tensor = torch.tensor([list(ids)])
        positions: Tensor = self.model.model.get_rope_index(
            tensor,
            mm_token_type_ids=(tensor == self.processor.image_token_id).int(),
            image_grid_thw=torch.tensor([list(shape) for shape in shapes]),
        )[0]
        return positions[:, 0]

    def visual_inputs(self, crops: Sequence[EncodedCrop]) -> dict[str, Any]:
        """As `TransformersModel.visual_inputs`; upstream takes one tensor for each picture, also of further layers."""
        first, *more = zip(*(crop.layers for crop in crops), strict=True)
        parts: dict[str, Any] = {"pooler_output": list(first), "deepstack_features": [list(layer) for layer in more]}
        return {"mm_encoder_outputs": {"image": BaseModelOutputWithDeepstackFeatures(**parts)}}


class Qwen2_5_VL(QwenVL):  # noqa: N801
    """Qwen2.5-VL."""

    processor_class: ClassVar[type[Any] | None] = Qwen2_5_VLProcessor


class Qwen3_VL(QwenVL):  # noqa: N801
    """Qwen3-VL."""

    processor_class: ClassVar[type[Any] | None] = Qwen3VLProcessor


class Qwen3_5(QwenVL):  # noqa: N801
    """Qwen3.5: three of four layers keep one state instead of keys and values, written over in place."""

    processor_class: ClassVar[type[Any] | None] = Qwen3VLProcessor
    shares_beginnings: ClassVar[bool] = False
    continues_with_gradients: ClassVar[bool] = False
