"""`nano`'s architecture: Qwen3-VL with a re-identification network as its vision encoder.

A plain vision transformer learns little from some thousand photos. This vision encoder is a convolutional network that
was first trained on identities and attributes (`reidr.retrieval.embedders.network`), at the size of crops. And where a
prompt shows two crops, each token of one is given its comparison with the other (`Comparison`), which a language model
of a few million weights does not learn by itself. Everything else, from the processor to the language model, is
Qwen3-VL's: the same prompt, scorer, generator and trainers work on it. Importing this module registers it with
transformers' auto classes.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoModel,
    AutoModelForImageTextToText,
    PreTrainedModel,
    Qwen3VLForConditionalGeneration,
)
from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures, Qwen3VLModel

from reidr.errors import ReIDError, WeightsError
from reidr.reasoning.nano.attributes import RecognisedAttributes
from reidr.reasoning.nano.comparison import Comparison, whole_and_ends
from reidr.reasoning.nano.config import ConvolutionalConfig, ConvolutionalVisionConfig, vision_half
from reidr.retrieval.embedders.network import build_network

PLACE = 8  # values of a token that give its place
LOOK = 17  # values of a token that give its colours and texture


def check_takes_vision_features(forward: Callable[..., Any]) -> None:
    """Raise ReIDError where upstream's `forward` does not take the vision encoder's output.

    transformers before 5.18 drops it silently: the model then runs, and trains, without any picture.
    """
    if "mm_encoder_outputs" not in inspect.signature(forward).parameters:
        raise ReIDError(
            f"transformers {transformers.__version__} shows nano no pictures; pip install 'transformers>=5.19,<6'"
        )


check_takes_vision_features(Qwen3VLModel.forward)


class ConvolutionalVision(PreTrainedModel):
    """Processor patches → pictures → re-identification network → one token per cell of its map.

    Each token holds its cell of the map, the crop's whole-body embedding, the embedding of the stripe in which the cell
    lies, the plain colours and texture of its pixels (`colours_and_texture`: a network trained on identities keeps too
    little of them), its place, and the probabilities of what the network's attribute branch recognises in the crop,
    where it has one (`RecognisedAttributes`). The output has `out_hidden_size` values for the language model, and then,
    for `Comparison`, the cell's key of `key_size` values, the two embeddings as unit vectors, and the probabilities.

    The network (`vision_encoder`) stays in evaluation mode even after `train()`: its batch norms were fitted on whole
    training sets, and batches of pairs would spoil them.
    """

    config_class = ConvolutionalVisionConfig
    main_input_name = "pixel_values"

    def __init__(self, config: ConvolutionalVisionConfig) -> None:
        super().__init__(config)
        self.spatial_merge_size = config.spatial_merge_size
        settings = config.settings
        if settings.stripes < 1 or not settings.attributes:
            raise WeightsError("nano's vision encoder must have a stripe or more, and recognise attributes")
        self.vision_encoder = build_network(settings).eval()
        self.mirror = settings.flip
        self.attributes = RecognisedAttributes(settings.attributes, config.out_hidden_size)
        parts = (settings.embedding, settings.embedding, settings.stripe_embedding, LOOK, PLACE)
        self.sizes = (*parts, self.attributes.size)
        wide = 2 * config.out_hidden_size
        self.connector = nn.Sequential(nn.Linear(sum(parts), wide), nn.GELU(), nn.Linear(wide, config.out_hidden_size))
        self.cell_key = nn.Linear(self.sizes[0] + LOOK + PLACE, config.key_size, bias=False)
        self.post_init()

    def train(self, mode: bool = True) -> ConvolutionalVision:
        super().train(mode)
        self.vision_encoder.eval()
        return self

    def forward(self, pixel_values: Tensor, grid_thw: Tensor, **_: Any) -> BaseModelOutputWithDeepstackFeatures:
        """(patches, values) and (pictures, 3) → tokens of all pictures, (tokens, values as `connect` gives them)."""
        raw = self.before_connector(pixel_values, grid_thw)
        sizes = [int(size) // self.spatial_merge_size**2 for size in grid_thw.prod(dim=1).tolist()]
        return BaseModelOutputWithDeepstackFeatures(
            last_hidden_state=raw, pooler_output=self.connect(raw, sizes), deepstack_features=[]
        )

    @property
    def connecting(self) -> tuple[nn.Module, ...]:
        """The parts behind the vision encoder, which may be trained while that stays as it is."""
        return self.connector, self.cell_key, self.attributes.to_tokens

    def connect(self, raw: Tensor, sizes: Sequence[int]) -> Tensor:
        """(tokens of all pictures, sum of `sizes`), from `before_connector`, and how many belong to each picture →
        (tokens, out_hidden_size + key_size + both embeddings + probabilities).
        """
        cell, whole, stripe, colours, place, recognised = raw.split(self.sizes, dim=-1)
        embeddings = functional.normalize(whole, dim=-1), functional.normalize(stripe, dim=-1)
        key = self.cell_key(torch.cat([cell, colours, place], dim=-1))
        tokens = self.connector(torch.cat([cell, whole, stripe, colours, place], dim=-1))
        tokens = tokens + self.attributes(recognised, sizes)
        return torch.cat([tokens, key, *embeddings, recognised], dim=-1)

    def before_connector(self, pixel_values: Tensor, grid_thw: Tensor) -> Tensor:
        """The vision encoder's output, before the connector: (tokens, sum of `sizes`)."""
        grids = [(int(height), int(width)) for _, height, width in grid_thw.tolist()]
        patches = pixel_values.split([height * width for height, width in grids])
        outputs: list[Tensor] = [torch.empty(0)] * len(grids)
        # Pictures of one size go through the network together.
        for grid in sorted(set(grids)):
            places = [place for place, other in enumerate(grids) if other == grid]
            pictures = torch.stack([self.picture(patches[place], grid) for place in places])
            for place, tokens in zip(places, self.tokens(pictures, grid), strict=True):
                outputs[place] = tokens
        return torch.cat(outputs)

    def picture(self, patches: Tensor, grid: tuple[int, int]) -> Tensor:
        """The (3, H, W) picture that Qwen's image processor cut into `patches`, (rows x columns, values)."""
        height, width = grid
        size, merge = self.config.patch_size, self.config.spatial_merge_size
        cells = patches.view(height // merge, width // merge, merge, merge, 3, -1, size, size)[:, :, :, :, :, 0]
        return cells.permute(4, 0, 2, 5, 1, 3, 6).reshape(3, height * size, width * size)

    def _seen(self, pictures: Tensor) -> tuple[Tensor, list[Tensor], Tensor, Tensor]:
        """Of pictures: the vision encoder's map, its embeddings of whole body and stripes, and both kinds of logits."""
        trunk = self.vision_encoder.trunk(pictures.contiguous(memory_format=torch.channels_last))
        features = self.vision_encoder.head(trunk)
        assert self.vision_encoder.attribute_branch is not None
        values, hidden = self.vision_encoder.attribute_branch(trunk)
        return features, self.vision_encoder.pooled_branches(features)[1], values, hidden

    def tokens(self, pictures: Tensor, grid: tuple[int, int]) -> Tensor:
        """(N, 3, H, W) → (N, tokens, sum of `sizes`), parts brought to the same scale."""
        merge = self.config.spatial_merge_size
        rows, columns = grid[0] // merge, grid[1] // merge
        features, (whole, *stripes), values, hidden = self._seen(pictures)
        if self.mirror:
            # A mirrored crop shows the same person: the mean of both is worth 0.008 of the pairs' ROC area.
            flipped, others, *logits = self._seen(pictures.flip(3))
            features = (features + flipped.flip(3)) / 2
            whole, *stripes = ((one + other) / 2 for one, other in zip((whole, *stripes), others, strict=True))
            values, hidden = (values + logits[0]) / 2, (hidden + logits[1]) / 2
        if features.shape[2:] != (rows, columns):
            features = functional.adaptive_avg_pool2d(features, (rows, columns))
        number = pictures.shape[0]
        cells = features.permute(0, 2, 3, 1)
        which = torch.arange(rows, device=cells.device) * len(stripes) // rows
        own = torch.stack(stripes, dim=1)[:, which][:, :, None].expand(number, rows, columns, -1)
        parts = (cells, whole[:, None, None].expand(number, rows, columns, -1), own)
        scaled = [functional.layer_norm(part, part.shape[-1:]) for part in parts]
        scaled.append(colours_and_texture(pictures, rows, columns))
        scaled.append(places_of(rows, columns, cells).expand(number, rows, columns, -1))
        recognised = self.attributes.probabilities(values, hidden)
        scaled.append(recognised[:, None, None].expand(number, rows, columns, -1))
        return torch.cat(scaled, dim=-1).reshape(number, rows * columns, -1)


def colours_and_texture(pictures: Tensor, rows: int, columns: int) -> Tensor:
    """(N, 3, H, W) → (N, rows, columns, LOOK): colours and texture of each cell, by plain arithmetic.

    Mean colours of its four quarters, the spread of its colours, and how much its brightness changes from pixel to
    pixel downwards (horizontal stripes) and sideways (vertical ones). In units of the normalised picture, times 2, so
    that few values are not lost beside many.
    """
    number = pictures.shape[0]
    quarters = functional.adaptive_avg_pool2d(pictures, (2 * rows, 2 * columns))
    quarters = quarters.view(number, 3, rows, 2, columns, 2).permute(0, 2, 4, 1, 3, 5)
    quarters = quarters.reshape(number, rows, columns, 12)
    mean = functional.adaptive_avg_pool2d(pictures, (rows, columns))
    square = functional.adaptive_avg_pool2d(pictures.square(), (rows, columns))
    spread = (square - mean.square()).clamp(min=0).sqrt()
    grey = pictures.mean(dim=1, keepdim=True)
    down = functional.pad((grey[:, :, 1:] - grey[:, :, :-1]).abs(), (0, 0, 0, 1))
    side = functional.pad((grey[..., 1:] - grey[..., :-1]).abs(), (0, 1))
    change = functional.adaptive_avg_pool2d(torch.cat([down, side], dim=1), (rows, columns))
    return 2 * torch.cat([quarters, spread.permute(0, 2, 3, 1), 2 * change.permute(0, 2, 3, 1)], dim=-1)


def places_of(rows: int, columns: int, like: Tensor) -> Tensor:
    """(rows, columns, PLACE): where a cell lies, as sines and cosines of its height and width (each 0 to 1)."""
    heights = (torch.arange(rows, device=like.device, dtype=like.dtype) + 0.5) / rows
    widths = (torch.arange(columns, device=like.device, dtype=like.dtype) + 0.5) / columns
    waves = [wave(turns * math.pi * heights) for turns in (1, 2, 4) for wave in (torch.sin, torch.cos)]
    tall = torch.stack(waves, dim=-1)[:, None].expand(rows, columns, -1)
    wide = torch.stack([torch.sin(math.pi * widths), torch.cos(math.pi * widths)], dim=-1)
    return torch.cat([tall, wide[None].expand(rows, columns, -1)], dim=-1)


class ConvolutionalModel(Qwen3VLModel):
    """Qwen3-VL's body; image features pass through `Comparison` where a prompt shows exactly two pictures."""

    config: ConvolutionalConfig

    def __init__(self, config: ConvolutionalConfig) -> None:
        super().__init__(config)
        visual: Any = self.visual
        self.comparison = Comparison(vision_half(config), visual.attributes.size, len(visual.attributes.families))
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        image_grid_thw: Tensor | None = None,
        mm_encoder_outputs: dict[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """As Qwen3-VL's; `mm_encoder_outputs` are what `get_image_features` gives."""
        encoded = (mm_encoder_outputs or {}).get("image")
        if encoded is None and pixel_values is not None:
            encoded = self.get_image_features(pixel_values, image_grid_thw, return_dict=True)
        if encoded is not None:
            if input_ids is None:
                raise WeightsError("pictures need input_ids, which say to which prompt each of them belongs")
            tokens: Any = self.compared(list(encoded.pooler_output), input_ids)
            encoded = BaseModelOutputWithDeepstackFeatures(pooler_output=tokens, deepstack_features=[])
        return super().forward(
            input_ids=input_ids,
            image_grid_thw=image_grid_thw,
            mm_encoder_outputs=None if encoded is None else {"image": encoded},
            **options,
        )

    def embeddings(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Unit vectors of whole body, uppermost and lowest stripe, from a picture's (tokens, values) of `connect`."""
        _, whole, stripe, _ = picture[:, -sum(self.comparison.sizes) :].split(self.comparison.sizes, dim=-1)
        return whole_and_ends(whole, stripe)

    def recognised(self, picture: Tensor) -> Tensor:
        """(probabilities,) of a picture's (tokens, values) of `connect`, as `RecognisedAttributes` orders them."""
        return picture[0, picture.shape[1] - self.comparison.sizes[-1] :]

    def compared(self, pictures: list[Tensor], input_ids: Tensor) -> list[Tensor]:
        """Tokens of each picture for the language model, (tokens, hidden) each, pairs compared with one another."""
        hidden = vision_half(self.config).out_hidden_size
        firsts, start = [], 0
        # By image tokens and not by their opening marks, which a model may also write into a completion.
        for wanted in (input_ids == self.config.image_token_id).sum(dim=1).tolist():
            end, tokens_so_far = start, 0
            while tokens_so_far < wanted and end < len(pictures):
                tokens_so_far += len(pictures[end])
                end += 1
            if end - start == 2:
                firsts.append(start)
            start = end
        tokens = [picture[:, :hidden] for picture in pictures]
        # Pairs whose pictures have as many tokens are compared together.
        groups: dict[tuple[int, int], list[int]] = {}
        for first in firsts:
            groups.setdefault((len(pictures[first]), len(pictures[first + 1])), []).append(first)
        for places in groups.values():
            a, b = (torch.stack([pictures[place + side][:, hidden:] for place in places]) for side in (0, 1))
            number = self.comparison.sizes[-1]
            agreement = self.visual.attributes.agreement(*(each[:, 0, each.shape[2] - number :] for each in (a, b)))
            for side, compared in ((0, self.comparison(a, b, agreement)), (1, self.comparison(b, a, agreement))):
                for place, more in zip(places, compared, strict=True):
                    tokens[place + side] = tokens[place + side] + more
        return tokens


class ConvolutionalForConditionalGeneration(Qwen3VLForConditionalGeneration):
    """Qwen3-VL with `ConvolutionalVision` in the place of its vision encoder, and `Comparison` behind it."""

    config_class = ConvolutionalConfig
    config: ConvolutionalConfig

    def __init__(self, config: ConvolutionalConfig) -> None:
        super().__init__(config)
        self.model = ConvolutionalModel(config)
        self.post_init()


AutoModel.register(ConvolutionalVisionConfig, ConvolutionalVision)
AutoModelForImageTextToText.register(ConvolutionalConfig, ConvolutionalForConditionalGeneration)
