"""SmolVLM and Idefics3: every crop is one square tile, between marks that only the processor writes.

These models can cut a photograph into many tiles. A person crop is smaller than one, so it is never cut here: that
would cost 17 times the tokens and add nothing but enlarged pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from PIL import Image
from torch import Tensor, nn
from transformers import Idefics3Processor

from reidr.reasoning.models.image_only import ImageOnly
from reidr.reasoning.models.transformers_model import FixedSizeModel
from reidr.reasoning.models.vision_language_model import Shape


class SmolVLMProcessor(ImageOnly, Idefics3Processor):
    """SmolVLM's processor without videos; for pictures it does what Idefics3's does."""

    video_processor_type = "SmolVLMVideoProcessor"

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        image_seq_len: int = 169,
        chat_template: Any = None,
        **options: Any,
    ) -> None:
        options.pop("video_processor", None)
        super().__init__(image_processor, tokenizer, image_seq_len, chat_template=chat_template, **options)


class Idefics3(FixedSizeModel):
    """Idefics3, and SmolVLM as it was first published."""

    processor_class: ClassVar[type[Any] | None] = Idefics3Processor
    picture_tokens: ClassVar[tuple[str, ...]] = ("<image>", "<fake_token_around_image>", "<global-img>")

    @staticmethod
    def vision_parts(model: Any) -> tuple[nn.Module, ...]:
        """As `VisionLanguageModel.vision_parts`."""
        return model.model.vision_model, model.model.connector

    def tiles(self, images: Sequence[Image.Image]) -> Tensor:
        """As `FixedSizeModel.tiles`."""
        one_each = [[image] for image in images]
        inputs = self.processor.image_processor(one_each, do_image_splitting=False, return_tensors="pt")
        tiles: Tensor = inputs["pixel_values"][:, 0]
        return tiles

    def features(self, tiles: Tensor) -> Sequence[Tensor]:
        """As `FixedSizeModel.features`."""
        return super().features(tiles[:, None])

    def picture_text(self, shape: Shape) -> str:
        """As `TransformersModel.picture_text`."""
        return str(self.processor.replace_image_token({"rows": [[0]], "cols": [[0]]}, 0))


class SmolVLM(Idefics3):
    """SmolVLM2, which also takes videos elsewhere."""

    processor_class: ClassVar[type[Any] | None] = SmolVLMProcessor
