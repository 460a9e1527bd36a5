"""The attribute head: recognises what a crop shows from its visual tokens, before the language model writes a word.

A language model of a few million weights learns quickly to repeat what its input states, but slowly to recognise a
colour among the thousand values of a token, because each training example trains only a few words. A head that is
trained on every attribute of every crop at once recognises them sooner, and passes them on to the language model.
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

    For each attribute it computes an attention over the cells of the crop, from all values of the tokens, and logits of
    the values in each cell; the logits of the crop are the cells' mean by that attention. Colours are recognised from
    the pixels of a cell beside those of the whole crop, which show the light. Small things also get a few values of the
    vision encoder; tops and jackets do not: the vision encoder can tell people apart, and a head that recognises the
    people it was trained on learns their wardrobe instead of colours.

    The same is added to every token of the crop: the probabilities of all values, through one linear map. The values,
    "not visible" among them, are kept in the model's configuration (`ConvolutionalVisionConfig.reads`).

    The names of its parts are keys of the shipped weights.
    """

    def __init__(
        self, vision_encoder: int, measured: int, reads: Mapping[str, Sequence[str]], width: int, out: int
    ) -> None:
        """Make an untrained head.

        Args:
            vision_encoder, measured: how many values of a visual token come from the vision encoder, and how many after
                them from plain arithmetic (colours, texture, place).
            reads: the values of each attribute. width: of the head, a multiple of its attention heads.
            out: how many values are added to each token.
        """
        super().__init__()
        # In the order of names: a configuration is written with its keys sorted.
        self.reads = {name: tuple(reads[name]) for name in sorted(reads)}
        self.counts = [len(own) for own in self.reads.values()]
        self.parts = (vision_encoder, measured)
        self.of_vision_encoder = nn.Sequential(nn.Dropout(VISION_ENCODER_DROPOUT), nn.Linear(vision_encoder, width))
        self.of_looks = nn.Linear(measured, width)
        self.mixed = nn.Sequential(nn.GELU(), nn.Linear(width, width))
        layer = nn.TransformerEncoderLayer(width, HEADS, 2 * width, DROPOUT, "gelu", batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.where = nn.Linear(width, len(self.counts))
        self.window = nn.Sequential(nn.Dropout(0.5), nn.Linear(vision_encoder, WINDOW))
        self.large, self.small = (
            nn.Sequential(
                nn.Linear(3 * measured + more, 2 * width), nn.GELU(), nn.Linear(2 * width, width), nn.GELU(),
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
    def recognition(self) -> tuple[nn.Module, ...]:
        """The parts that recognise attributes: all but `to_tokens`, which is trained with the language model."""
        where = (self.of_vision_encoder, self.of_looks, self.mixed, self.body, self.where)
        return *where, self.window, self.large, self.small, self.shape

    def forward(self, tokens: Tensor) -> list[Tensor]:
        """(N, n, values) → one (N, number of its values) of logits per attribute, in the order of `reads`."""
        vision_encoder, measured = tokens.split(self.parts, dim=-1)
        cells = self.body(self.mixed(self.of_vision_encoder(vision_encoder) + self.of_looks(measured)))
        share = self.where(cells).softmax(dim=1)
        light = torch.cat([measured.mean(dim=1), measured.std(dim=1, correction=0)], dim=-1)[:, None]
        lit = torch.cat([measured, light.expand(-1, measured.shape[1], -1)], dim=-1)
        is_color, is_large = (torch.tensor(each, device=tokens.device) for each in (self.is_color, self.is_large))
        colors = torch.where(
            is_large, self.large(lit), self.small(torch.cat([lit, self.window(vision_encoder)], dim=-1))
        )
        logits = torch.where(is_color, colors, self.shape(cells)).split(self.counts, dim=-1)
        return [torch.einsum("nl,nlv->nv", share[..., place], own) for place, own in enumerate(logits)]

    def logits(self, pictures: Sequence[Tensor]) -> list[Tensor]:
        """Tokens of each picture, (n, values), n its own → one (pictures, number of values) of logits per attribute.

        Pictures of as many tokens form a batch.
        """
        sizes = [len(picture) for picture in pictures]
        by_size, order = list[list[Tensor]](), list[int]()
        for size in sorted(set(sizes)):
            places = [place for place, own in enumerate(sizes) if own == size]
            by_size.append(self(torch.stack([pictures[place] for place in places])))
            order += places
        logits = [torch.cat(own) for own in zip(*by_size, strict=True)]
        if len(by_size) == 1:
            return logits
        back = torch.tensor(order, device=logits[0].device).argsort()
        return [own[back] for own in logits]

    def probabilities(self, pictures: Sequence[Tensor]) -> Tensor:
        """Tokens of each picture, (n, values) → (pictures, values of all attributes): each attribute's sum to 1."""
        return torch.cat([each.softmax(dim=-1) for each in self.logits(pictures)], dim=-1)

    def token_update(self, probabilities: Tensor, sizes: Sequence[int]) -> Tensor:
        """`probabilities` of all pictures and how many tokens each has → what is added to each token, (tokens, out)."""
        update: Tensor = self.to_tokens(probabilities)
        return update.repeat_interleave(torch.tensor(list(sizes), device=update.device), dim=0)
