"""What a crop shows, attribute by attribute, read off its visual tokens before anything is said about it.

A language model of a few million weights learns to say what it is told quickly, and to find a colour among a thousand
values of a token slowly: each example teaches it a few words. A reader taught on every attribute of every crop at once
finds them sooner, and tells the language model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from reidr.reasoning.rationales.regions import UNSEEN

HEADS = 4
DROPOUT, VISION_ENCODER_DROPOUT = 0.1, 0.3
WINDOW = 16  # values that the vision encoder may add to a cell's colour
LARGE = ("upper_color", "jacket_color")


class AttributeHead(nn.Module):
    """Visual tokens of a crop → a probability for each value of each attribute → what is added to its tokens.

    For each attribute it decides *where* on the body to look, from all that the tokens carry, and *what* is there, cell
    by cell; its logits are the cells' mean by that attention. What colour a cell has is read from its pixels, beside
    those of the whole crop, which tell the light, and for small things through a narrow window on what the vision
    encoder sees,
    for tops and jackets not even that: the vision encoder knows who somebody may be, and a reader allowed to
    recognise the people it was taught on learns their wardrobe instead of colours.

    Every token of the crop is told the same: the probabilities of all values, through one linear map. The values, "not
    visible" among them, are kept in the model's configuration (`ConvolutionalVisionConfig.reads`).
    """

    def __init__(
        self, vision_encoder: int, looks: int, reads: Mapping[str, Sequence[str]], width: int, out: int
    ) -> None:
        """A visual token has `vision_encoder` values that the vision encoder gave it and then `looks` of plain
        arithmetic (colours,
        texture, place); `width` of the reader, a multiple of its heads; `out` values are added to each token."""
        super().__init__()
        # In the order of names: a configuration is written with its keys sorted.
        self.reads = {name: tuple(reads[name]) for name in sorted(reads)}
        self.counts = [len(own) for own in self.reads.values()]
        self.parts = (vision_encoder, looks)
        self.of_vision_encoder = nn.Sequential(nn.Dropout(VISION_ENCODER_DROPOUT), nn.Linear(vision_encoder, width))
        self.of_looks = nn.Linear(looks, width)
        self.mixed = nn.Sequential(nn.GELU(), nn.Linear(width, width))
        layer = nn.TransformerEncoderLayer(width, HEADS, 2 * width, DROPOUT, "gelu", batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.where = nn.Linear(width, len(self.counts))
        self.window = nn.Sequential(nn.Dropout(0.5), nn.Linear(vision_encoder, WINDOW))
        self.large, self.small = (
            nn.Sequential(
                nn.Linear(3 * looks + more, 2 * width), nn.GELU(), nn.Linear(2 * width, width), nn.GELU(),
                nn.Linear(width, sum(self.counts)),
            )
            for more in (0, WINDOW)
        )  # fmt: skip
        self.shape = nn.Linear(width, sum(self.counts))
        self.to_tokens = nn.Linear(sum(self.counts), out)
        named = [(name, value) for name, values in self.reads.items() for value in values]
        self.is_color = [name.endswith("color") and value != UNSEEN for name, value in named]
        self.is_large = [name in LARGE and value != UNSEEN for name, value in named]

    @property
    def looking(self) -> tuple[nn.Module, ...]:
        """The parts that read. `to_tokens`, which puts it into words' terms, is the language model's business."""
        where = (self.of_vision_encoder, self.of_looks, self.mixed, self.body, self.where)
        return *where, self.window, self.large, self.small, self.shape

    def forward(self, tokens: Tensor) -> list[Tensor]:
        """(N, n, values) → one (N, number of its values) of logits per attribute, in the order of `reads`."""
        vision_encoder, looks = tokens.split(self.parts, dim=-1)
        cells = self.body(self.mixed(self.of_vision_encoder(vision_encoder) + self.of_looks(looks)))
        share = self.where(cells).softmax(dim=1)
        light = torch.cat([looks.mean(dim=1), looks.std(dim=1, correction=0)], dim=-1)[:, None]
        lit = torch.cat([looks, light.expand(-1, looks.shape[1], -1)], dim=-1)
        is_color, is_large = (torch.tensor(each, device=tokens.device) for each in (self.is_color, self.is_large))
        colors = torch.where(
            is_large, self.large(lit), self.small(torch.cat([lit, self.window(vision_encoder)], dim=-1))
        )
        found = torch.where(is_color, colors, self.shape(cells))
        each = found.split(self.counts, dim=-1)
        return [torch.einsum("nl,nlv->nv", share[..., place], own) for place, own in enumerate(each)]

    def read(self, pictures: Sequence[Tensor]) -> list[Tensor]:
        """Tokens of each picture, (n, values), n its own → one (pictures, number of values) of logits per attribute.

        Pictures of as many tokens are read together.
        """
        sizes = [len(picture) for picture in pictures]
        found, order = list[list[Tensor]](), list[int]()
        for size in sorted(set(sizes)):
            places = [place for place, own in enumerate(sizes) if own == size]
            found.append(self(torch.stack([pictures[place] for place in places])))
            order += places
        logits = [torch.cat(own) for own in zip(*found, strict=True)]
        if len(found) == 1:
            return logits
        back = torch.tensor(order, device=logits[0].device).argsort()
        return [own[back] for own in logits]

    def probabilities(self, pictures: Sequence[Tensor]) -> Tensor:
        """Tokens of each picture, (n, values) → (pictures, values of all attributes): each attribute's sum to 1."""
        return torch.cat([each.softmax(dim=-1) for each in self.read(pictures)], dim=-1)

    def told(self, read: Tensor, sizes: Sequence[int]) -> Tensor:
        """`probabilities` of all pictures and how many tokens each has → what is added to each token, (tokens, out)."""
        said: Tensor = self.to_tokens(read)
        return said.repeat_interleave(torch.tensor(list(sizes), device=said.device), dim=0)
