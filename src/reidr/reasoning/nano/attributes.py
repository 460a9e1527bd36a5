"""What `nano`'s vision encoder recognises of a crop: calibrated probabilities, and how far two crops' agree.

The network's attribute branch (`reidr.retrieval.embedders.attribute_branch`) gives a logit for every value. The
language model is given probabilities, calibrated on people whom the network never saw: a language model that is trained
behind an overconfident network trusts it more than it deserves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from reidr.data.vocabulary import CANNOT_BE_SEEN, FAMILIES
from reidr.retrieval.embedders.attribute_recognition import Calibrations

UNCALIBRATED = -12.0  # log-odds of a value that nobody could calibrate: it is never said
LEAST_SHARE = 0.004  # a value is taken to be true of at least that share of people, and false of as many
GAIN = 3.0  # deviations from the usual are of the size of the other values of a token


class RecognisedAttributes(nn.Module):
    """Logits of a network's attribute branch → probabilities → what is added to each token of the crop.

    Rows of probabilities hold P(value | it can be seen) of all values, in the order of `families`, and then P(cannot be
    seen) of all families.
    """

    slopes: Tensor
    offsets: Tensor
    shares: Tensor

    def __init__(self, families: Mapping[str, Sequence[str]], out: int) -> None:
        """`families`: values by family, as the network's settings name them; `out`: how many values a token has."""
        super().__init__()
        self.families = {name: tuple(values) for name, values in families.items()}
        values, self.rows = sum(map(len, self.families.values())), len(self.families)
        self.register_buffer("slopes", torch.ones(values + self.rows))
        self.register_buffer("offsets", torch.zeros(values + self.rows))
        self.register_buffer("shares", torch.full((values,), 0.5))
        self.to_tokens = nn.Linear(values + self.rows, out)
        # Lists, not tensors: transformers builds models without memory for tensors, and fills in the saved ones alone.
        self.family_of = [place for place, own in enumerate(self.families.values()) for _ in own]
        self.several = [name in FAMILIES and FAMILIES[name].several for name in self.families]

    @property
    def size(self) -> int:
        """Length of a row of probabilities."""
        return len(self.slopes)

    def calibrate(self, calibrations: Calibrations) -> None:
        """Take the slopes, offsets and shares of a retriever's file; a value that is not there is never said."""
        pairs = [(name, value) for name, values in self.families.items() for value in values]
        pairs += [(name, CANNOT_BE_SEEN) for name in self.families]
        for place, (family, value) in enumerate(pairs):
            own = calibrations.get(family, {}).get(value)
            self.slopes[place] = 0.0 if own is None else own.slope
            self.offsets[place] = UNCALIBRATED if own is None else own.offset
            if place < len(self.shares):
                self.shares[place] = 0.0 if own is None else own.share

    def probabilities(self, values: Tensor, hidden: Tensor) -> Tensor:
        """(N, values) and (N, families) logits → (N, `size`) probabilities."""
        logits = torch.cat([values, hidden], dim=-1)
        return (logits * self.slopes + self.offsets).sigmoid()

    def forward(self, probabilities: Tensor, sizes: Sequence[int]) -> Tensor:
        """(tokens of all pictures, `size`) and how many tokens each picture has → (tokens, out): what is added to each.

        Every token is given a family or two of its own. Were all given the same sum, a question about one family would
        have to be answered by taking a sum of twenty apart; so it is answered by attending to one token.
        """
        values, hidden = probabilities.split((len(self.shares), self.rows), dim=-1)
        shown = 1 - hidden[..., self.family_of]
        features = GAIN * torch.cat([shown * (values - self.shares), hidden], dim=-1)
        own: Tensor = self.to_tokens(features * self._places(sizes).to(features))
        return own

    def _places(self, sizes: Sequence[int]) -> Tensor:
        """(tokens, `size`) 1 where a token is given that probability: its family's place among the picture's tokens."""
        families = torch.tensor([*self.family_of, *range(self.rows)])
        parts = {size: families % size == torch.arange(size)[:, None] for size in set(sizes)}
        return torch.cat([parts[size] for size in sizes])

    def agreement(self, a: Tensor, b: Tensor) -> Tensor:
        """(N, `size`) of two crops → (N, families): log Bayes factors of "the two have the same value there".

        P(a, b | same) / P(a, b | any two persons) for independent readings: with prior shares π, Σ p_a·p_b/π over the
        values of a family of which one is true, and the product of p_a·p_b/π + (1-p_a)(1-p_b)/(1-π) where several may
        be. What cannot be seen in one of the two weighs nothing; nor does a family of which no value was calibrated.
        """
        number = len(self.shares)
        first, second = a[:, :number].float(), b[:, :number].float()
        known = (self.shares > 0).float()
        share = self.shares.float().clamp(LEAST_SHARE, 1 - LEAST_SHARE)
        family = torch.tensor(self.family_of, device=a.device)

        def summed(each: Tensor) -> Tensor:
            return torch.zeros(len(each), self.rows, device=each.device).index_add_(1, family, each)

        together = (first * second / share + (1 - first) * (1 - second) / (1 - share)).log() * known
        by_value = summed(together)
        total = [summed(each * known).clamp(min=1e-4)[:, family] for each in (first, second)]
        prior = share / summed((share * known).expand(1, -1)).clamp(min=1e-4)[:, family]
        one = summed(first / total[0] * second / total[1] / prior * known).clamp(min=1e-4).log()
        log_factor = torch.where(torch.tensor(self.several, device=a.device), by_value, one)
        seen = (1 - a[:, number:].float()) * (1 - b[:, number:].float()) * (summed(known.expand(1, -1)) > 0)
        return (seen * log_factor.exp().clamp(max=1e4) + (1 - seen)).log().to(a.dtype)
