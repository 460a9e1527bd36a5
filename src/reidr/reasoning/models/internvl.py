"""InternVL (the `-hf` checkpoints of versions 2.5 to 3.5): every crop is one square tile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from PIL import Image
from torch import Tensor, nn
from transformers import InternVLProcessor as UpstreamInternVLProcessor

from reidr.reasoning.models.image_only import ImageOnly
from reidr.reasoning.models.transformers_model import FixedSizeModel
from reidr.reasoning.models.vision_language_model import Shape


class InternVLProcessor(ImageOnly, UpstreamInternVLProcessor):
    """InternVL's processor without videos."""

    video_processor_type = "InternVLVideoProcessor"

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        image_seq_length: int = 256,
        chat_template: Any = None,
        **options: Any,
    ) -> None:
        options.pop("video_processor", None)
        super().__init__(image_processor, tokenizer, None, image_seq_length, chat_template=chat_template, **options)


class InternVL(FixedSizeModel):
    """InternVL; it could cut a photograph into tiles, but a person crop is smaller than one."""

    processor_class: ClassVar[type[Any] | None] = InternVLProcessor
    picture_tokens: ClassVar[tuple[str, ...]] = ("<IMG_CONTEXT>", "<img>", "</img>", "<video>")

    @staticmethod
    def vision_parts(model: Any) -> tuple[nn.Module, ...]:
        """As `VisionLanguageModel.vision_parts`."""
        return tuple(part for name, part in model.model.named_children() if name != "language_model")

    def tiles(self, images: Sequence[Image.Image]) -> Tensor:
        """As `FixedSizeModel.tiles`."""
        inputs = self.processor.image_processor(list(images), crop_to_patches=False, return_tensors="pt")
        tiles: Tensor = inputs["pixel_values"]
        return tiles

    def picture_text(self, shape: Shape) -> str:
        """As `TransformersModel.picture_text`."""
        return str(self.processor.replace_image_token({"num_patches": [1]}, 0))
