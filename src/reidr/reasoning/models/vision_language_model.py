"""What ReID-R needs of a vision-language model, whatever its architecture: the protocol that every adapter fulfils.

An adapter wraps a loaded model and its processor. It turns crops into features, lays a prompt out around them, and
computes the logits of the next token; sampling, caching and reading of answers are written once, on top of this.
`reidr.reasoning.models.architectures` says which adapter serves which checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from PIL import Image
from torch import Tensor, nn

Shape = tuple[int, ...]
"""All that the layout of a prompt depends on of a crop, as its architecture counts it (Qwen: its grid of patches)."""


@dataclass(frozen=True, eq=False)
class PixelInput:
    """One crop as its processor prepares it: the shape and the tensors that the vision encoder takes."""

    shape: Shape
    tensors: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class EncodedCrop:
    """One crop as the vision encoder gives it.

    Attributes:
        layers: features for the language model, (tokens, values) each. The first stand at the crop's image tokens; any
            further ones are added inside the language model (Qwen3-VL's "deepstack").
    """

    shape: Shape
    layers: tuple[Tensor, ...]

    @property
    def bytes(self) -> int:
        """Memory of the layers."""
        return sum(layer.numel() * layer.element_size() for layer in self.layers)


@dataclass(frozen=True, eq=False)
class TokenBatch:
    """R prompts of up to T tokens: `ids` and `mask` (R, T), `positions` (axes, R, T)."""

    ids: Tensor
    mask: Tensor
    positions: Tensor


class VisionLanguageModel(Protocol):
    """An adapter of one architecture; most inherit from `TransformersModel` and override what differs.

    Attributes:
        processor_class: a class to load processors with; None for transformers' own choice.
        picture_tokens: tokens that stand for or around pictures. No text may hold them, and none is ever sampled.
        axes: number of position axes of a token (3 where pictures have rows and columns, else 1).
        compares_crops: whether features of a prompt's first crop depend on its second one. No two prompts then share
            more of their beginning than the text.
        gives_embeddings: whether `embeddings` gives vectors that a cosine compares.
        shares_beginnings: whether a prompt may be continued by texts of several lengths in one batch (not where padding
            between the two would change a layer's state).
        continues_with_gradients: whether every layer is attention, so that all completions of a prompt may stand behind
            it in one row of a training pass (not where a layer keeps a state from token to token).
        has_connector: whether `encode_before_connector` and `connect` are there.
        pixels: (least, greatest) area to which crops are resized; None for the processor's own sizes.
    """

    processor_class: ClassVar[type[Any] | None]
    picture_tokens: ClassVar[tuple[str, ...]]
    axes: ClassVar[int]
    compares_crops: ClassVar[bool]
    gives_embeddings: ClassVar[bool]
    shares_beginnings: ClassVar[bool]
    continues_with_gradients: ClassVar[bool]
    has_connector: ClassVar[bool]
    model: Any
    processor: Any
    pixels: tuple[int, int] | None

    def __init__(self, model: Any, processor: Any, pixels: tuple[int, int] | None = None) -> None: ...

    @staticmethod
    def vision_parts(model: Any) -> tuple[nn.Module, ...]:
        """The modules of a model, not wrapped in LoRA, that lie between pixels and language model."""
        ...

    def prepare(self, image: Image.Image) -> Image.Image:
        """The picture as small as the model takes it, where that can be had before a batch is made; else itself."""
        ...

    def read_pixels(self, images: Sequence[Image.Image]) -> list[PixelInput]:
        """What the vision encoder takes for these (prepared) pictures, in single precision on the CPU."""
        ...

    def encode(self, crops: Sequence[PixelInput]) -> list[EncodedCrop]:
        """What the vision encoder and its connector make of the crops; with gradients where they are enabled."""
        ...

    def image_tokens(self, shape: Shape) -> int:
        """Number of features, which is the number of image tokens, of a crop of this shape."""
        ...

    def picture_length(self, width: int, height: int) -> int:
        """Number of tokens of a picture of this size in a prompt. Raises ValueError where it cannot be used."""
        ...

    def lay_out(self, ids: Sequence[int], shapes: Sequence[Shape]) -> tuple[list[int], Tensor]:
        """Token ids with each picture's placeholder written out, and their positions (axes, length).

        Args:
            ids: a prompt with one image token for each picture.

        Raises:
            ReIDError: another number of image tokens than of shapes.
        """
        ...

    def inputs(self, batch: TokenBatch, crops: Sequence[EncodedCrop]) -> dict[str, Any]:
        """Keyword arguments of the model's forward pass. `crops` are those whose features the ids call for, in order:
        the first row's, then the second row's."""
        ...

    def forward(
        self, batch: TokenBatch, crops: Sequence[EncodedCrop] = (), cache: Any = None, *, keep: bool = True
    ) -> tuple[Tensor, Any]:
        """Logits of each row's next token, (R, V), and the key-value cache (None unless `keep`).

        Args:
            cache: what comes before `batch.ids`; `batch.mask` covers it too.
        """
        ...

    def embeddings(self, crop: EncodedCrop) -> tuple[Tensor, Tensor, Tensor]:
        """Unit vectors of the whole body, its uppermost and its lowest part. Only with `gives_embeddings`."""
        ...

    def encode_before_connector(self, crops: Sequence[PixelInput]) -> list[Tensor]:
        """What the frozen vision encoder gives, (tokens, values) for each crop. Only with `has_connector`."""
        ...

    def connect(
        self, raw: Sequence[Tensor], shapes: Sequence[Shape], attributes: Tensor | None = None
    ) -> list[EncodedCrop]:
        """What the connector makes of `encode_before_connector`; with gradients. Only with `has_connector`.

        Args:
            attributes: (crops, values) probabilities of an attribute head, where they are known already.
        """
        ...
