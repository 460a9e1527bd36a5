"""Vision features of many crops, computed once: for training batches and rollouts without opening pictures again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from reidr.data.pictures.images import read_picture
from reidr.errors import ReIDError
from reidr.reasoning.inference.prefix_cache import Prompt
from reidr.reasoning.models.architectures import adapt
from reidr.reasoning.models.vision_language_model import EncodedCrop, PixelInput, Shape, TokenBatch
from reidr.reasoning.prompting.prompt import crop_pixels

Learning = Literal["nothing", "connector", "all"]
"""Which part of the vision encoder is trained: what lies before it is computed once and kept."""


class CropFeatures:
    """The vision encoder's output for each crop, and model inputs made from it.

    With `learning="nothing"` the output itself is kept. With "connector" (`nano` only) it is what the frozen vision
    encoder gives before the connector, and with "all" the prepared pixels: the rest is computed anew, with gradients,
    in every batch, once for each distinct crop. In all three no picture is opened or resized twice, and prompts are
    tokenised once.

    Attributes:
        model: the model itself, without LoRA around it. adapter: its `VisionLanguageModel`.
        shapes: of each crop, as the architecture counts it.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        open_crop: Sequence[Callable[[], Image.Image]],
        *,
        learning: Learning = "nothing",
        dtype: torch.dtype | None = None,
        advance: Callable[[float], None] | None = None,
    ) -> None:
        """Encode every crop of `open_crop` once.

        Args:
            model: a model of a known architecture, with LoRA around it or not.
            dtype: what is kept is kept in this type, in main memory; None: the model's own, and float16 for a model in
                float32, which rounds features to three digits, as half-precision inference would.

        Raises:
            ReIDError: `learning="connector"` for a model without a connector that can be trained alone; or features of
                a crop that `dtype` cannot hold.
            ImageError: a picture that cannot be used.
        """
        self.adapter = adapt(model, processor, crop_pixels(processor))
        self.processor, self.learning = processor, learning
        if learning == "connector" and not self.adapter.has_connector:
            self.adapter.encode_before_connector([])
        kind = dtype or (torch.float16 if self.model.dtype == torch.float32 else self.model.dtype)
        self.shapes: list[Shape] = []
        self._attributes: Tensor | None = None
        self._kept: list[tuple[Tensor, ...]] = []
        self._prompts: dict[Any, tuple[list[int], Tensor]] = {}
        for start in range(0, len(open_crop), BATCH):
            openers = open_crop[start : start + BATCH]
            inputs = self.adapter.read_pixels([self.adapter.prepare(read_picture(opener())) for opener in openers])
            self.shapes += [each.shape for each in inputs]
            kept = [tuple(part.to("cpu", kind) for part in parts) for parts in self._encode(inputs)]
            for opener, parts in zip(openers, kept, strict=True):
                check_finite(parts, opener)
            self._kept += kept
            if advance is not None:
                advance(len(inputs))

    def __len__(self) -> int:
        return len(self.shapes)

    @property
    def model(self) -> Any:
        """The model itself."""
        return self.adapter.model

    def serve(self, model: Any) -> None:
        """Make inputs for another model with the same vision encoder: what was computed stays.

        Raises ReIDError where its vision encoder has other weights, or what is kept lies behind what the two have in
        common (`learning="nothing"`).
        """
        other = adapt(model, self.processor, self.adapter.pixels)
        if self.learning == "connector":
            own, its = (each.model.visual.vision_encoder.state_dict() for each in (self.model, other.model))
            same = own.keys() == its.keys() and all(torch.equal(own[name], its[name]) for name in own)
        else:
            same = self.learning == "all" or other.model is self.model
        if not same:
            raise ReIDError("these features are of another vision encoder; make new CropFeatures for this model")
        self.adapter, self._attributes = other, None

    def with_model(self, model: Any) -> CropFeatures:
        """The same kept features before another model, whose vision encoder the caller knows to be the same."""
        features = copy.copy(self)
        features.adapter = adapt(model, self.processor, self.adapter.pixels)
        return features

    def use_attributes(self, probabilities: Tensor) -> None:
        """Give the attribute head's output for these crops, (crops, values) probabilities, instead of computing it.

        For training with `learning="connector"` behind an attribute head that no longer learns: it need not be run on
        the same crop in every batch, and heads that were not trained on a crop's person may have been run in its place.
        """
        if len(probabilities) != len(self):
            raise ReIDError(f"{len(probabilities)} rows of attributes do not fit {len(self)} crops")
        self._attributes = probabilities.detach()

    def visual_tokens(self, row: int) -> int:
        """Number of a crop's image tokens in a prompt."""
        return self.adapter.image_tokens(self.shapes[row])

    @torch.no_grad()
    def _encode(self, inputs: Sequence[PixelInput]) -> list[tuple[Tensor, ...]]:
        """What is kept of each picture."""
        if self.learning == "all":
            return [each.tensors for each in inputs]
        if self.learning == "connector":
            return [(raw,) for raw in self.adapter.encode_before_connector(inputs)]
        return [crop.layers for crop in self.adapter.encode(inputs)]

    def kept(self, row: int) -> Tensor:
        """What is kept of a crop, (tokens, values): before the connector, its output, or pixels (see `learning`)."""
        return self._kept[row][0]

    def encoded(self, rows: Sequence[int]) -> list[EncodedCrop]:
        """These crops, encoded; repeated ones are computed once. With gradients for what is trained."""
        unique = sorted(set(rows))
        shapes = [self.shapes[row] for row in unique]
        if self.learning == "all":
            own = [PixelInput(shape, self._kept[row]) for row, shape in zip(unique, shapes, strict=True)]
            crops = self.adapter.encode(own)
        elif self.learning == "connector":
            known = None if self._attributes is None else self._attributes[unique]
            crops = self.adapter.connect([self.kept(row) for row in unique], shapes, known)
        else:
            device, dtype = self.model.device, self.model.dtype
            layers = [tuple(part.to(device, dtype) for part in self._kept[row]) for row in unique]
            crops = [EncodedCrop(shape, own) for shape, own in zip(shapes, layers, strict=True)]
        place = {row: position for position, row in enumerate(unique)}
        return [crops[place[row]] for row in rows]

    def prompt(self, text: str, crops: Sequence[int]) -> tuple[list[int], Tensor]:
        """Token ids of a rendered prompt about these crops, one image token each in `text` now as many as the crop
        has, and their (axes, length) positions."""
        shapes = tuple(self.shapes[crop] for crop in crops)
        if (text, shapes) not in self._prompts:
            written = self.processor.tokenizer.encode(text, add_special_tokens=False)
            self._prompts[text, shapes] = self.adapter.lay_out(written, shapes)
        return self._prompts[text, shapes]

    def training_inputs(self, rows: Sequence[tuple[str, Sequence[int], Sequence[int]]]) -> dict[str, Any]:
        """Model inputs for a training pass over (prompt, crops, token ids that follow), padded on the right.

        With causal attention no token ever attends to the padding, so no mask is needed; what the model gives at the
        padding means nothing.
        """
        prompts = []
        for text, crops, more in rows:
            ids, positions = self.prompt(text, crops)
            prompts.append(Prompt(torch.tensor(ids), positions, ()).followed_by(more))
        longest = max(len(row.ids) for row in prompts)
        pad = self.processor.tokenizer.pad_token_id
        padded = torch.stack([functional.pad(row.ids, (0, longest - len(row.ids)), value=pad) for row in prompts])
        places_of = torch.stack([functional.pad(row.positions, (0, longest - len(row.ids))) for row in prompts], dim=1)
        device = self.model.device
        batch = TokenBatch(padded.to(device), torch.ones_like(padded).to(device), places_of.to(device))
        inputs = self.adapter.inputs(batch, self.encoded([crop for _, crops, _ in rows for crop in crops]))
        return {name: value for name, value in inputs.items() if name != "attention_mask"} | {"use_cache": False}

    def prompts(self, rows: Sequence[tuple[str, Sequence[int]]]) -> list[Prompt]:
        """The prompts (text, crops), to be continued (`sampling.continue_prompts`)."""
        crops = iter(self.encoded([crop for _, own in rows for crop in own]))
        prompts = []
        for text, own in rows:
            ids, positions = self.prompt(text, own)
            prompts.append(Prompt(torch.tensor(ids), positions, tuple(next(crops) for _ in own)))
        return prompts


def check_finite(parts: Sequence[Tensor], opener: Callable[[], Image.Image]) -> None:
    """Raise ReIDError naming the crop, where what is kept of it is not finite in the type that it is kept in."""
    if all(bool(part.isfinite().all()) for part in parts):
        return
    crop = getattr(getattr(opener, "__self__", None), "id", "a crop")  # `crop.open` is a method of its crop
    kind = parts[0].dtype
    raise ReIDError(
        f"{crop}: its features are not finite numbers in {str(kind).removeprefix('torch.')}, whose largest is"
        f" {torch.finfo(kind).max:.3g}; keep features in bfloat16 or float32 (warm-up: features), and if that does not"
        " help, the weights of the vision encoder are damaged"
    )


BATCH = 64
"""Crops of one pass through the vision encoder."""
