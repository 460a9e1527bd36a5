"""Recognising attributes of crops: a calibrated probability for every value of the vocabulary, and "cannot be seen"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reidr.data.vocabulary import VALUES, VOCABULARY
from reidr.errors import WeightsError
from reidr.retrieval.embedders.preprocess import normalise, resize

if TYPE_CHECKING:
    from torch import Tensor

    from reidr.retrieval.embedders.retriever import Retriever

Reals = NDArray[np.float32]
UNKNOWN = -1.0  # in rows that are cached, which must be finite
FAMILIES = tuple(family.name for family in VOCABULARY)
FAMILY_OF_VALUE = np.array([FAMILIES.index(family) for family, _ in VALUES])


@dataclass(frozen=True)
class ValueCalibration:
    """P = 1 / (1 + exp(-(slope·logit + offset))) of one value, and `share`, how often it is true of those who know it.

    Fitted on training people that the network never saw (Platt 1999). `share` is what is expected of a person of whom
    nothing can be seen.
    """

    slope: float
    offset: float
    share: float


Calibrations = Mapping[str, Mapping[str, ValueCalibration]]
"""By family and value; of the value "cannot be seen" too."""


@dataclass(frozen=True, eq=False)
class AttributeTable:
    """What was recognised of N crops, in the order of `vocabulary.VALUES` and of `vocabulary.VOCABULARY`.

    Attributes:
        values: (N, values) P(value is true, given that its family can be seen); NaN where it is not recognised.
        hidden: (N, families) P(the family cannot be seen); NaN likewise. shares: (values,) how often each is true.
    """

    values: Reals
    hidden: Reals
    shares: Reals

    def __len__(self) -> int:
        return len(self.values)

    def expected(self) -> Reals:
        """(N, values) P(value is true of the person): where a family cannot be seen, as often as of anybody."""
        hidden = self.hidden[:, FAMILY_OF_VALUE]
        return (1 - hidden) * self.values + hidden * self.shares

    def of(self, row: int) -> dict[str, dict[str, float]]:
        """What was recognised of one crop: family → value → probability, "cannot be seen" last."""
        from reidr.data.vocabulary import CANNOT_BE_SEEN

        read: dict[str, dict[str, float]] = {}
        for (family, value), probability in zip(VALUES, self.values[row].tolist(), strict=True):
            if np.isfinite(probability):
                read.setdefault(family, {})[value] = probability
        for family, probability in zip(FAMILIES, self.hidden[row].tolist(), strict=True):
            if family in read and np.isfinite(probability):
                read[family][CANNOT_BE_SEEN] = probability
        return read


class AttributeRecogniser:
    """A retriever whose network has an attribute branch, as what gives one row of probabilities a picture.

    It has the interface of an `Embedder`, so that rows are cached and collected as embeddings are; they are no unit
    rows, though: (values + families) probabilities, made into an `AttributeTable` by `table`.
    """

    def __init__(self, retriever: Retriever, embedder: Retriever | None = None) -> None:
        """`embedder`: what `embed_too` embeds by, where it is another retriever than the one that recognises.

        Raises WeightsError for a retriever that recognises no attributes.
        """
        if retriever.network.attribute_branch is None or not retriever.attributes:
            raise WeightsError(f"retriever {retriever.name} was not trained to recognise attributes; take one that was")
        self.retriever, self.embedder = retriever, embedder or retriever
        self.name = f"{retriever.name}, attributes"
        self.fingerprint = f"attributes-{retriever.fingerprint}"
        self.input_size = retriever.input_size
        calibrations, families = retriever.attributes, retriever.network.attribute_branch.families
        own = [(family, value) for family, values in families.items() for value in values]
        self._values = _Columns(own, VALUES, calibrations)
        unseen = [(family, "cannot be seen") for family in families]
        self._hidden = _Columns(unseen, [(family, "cannot be seen") for family in FAMILIES], calibrations)

    def embed_pictures(self, pictures: Sequence[Image.Image]) -> Reals:
        """(N, values + families) float32 probabilities, `UNKNOWN` for what the network does not recognise."""
        import torch

        network = self.retriever.network
        if not pictures:
            return np.empty((0, len(VALUES) + len(FAMILIES)), dtype=np.float32)
        with torch.inference_mode():
            return self._probabilities([network.recognise_attributes(each) for each in self._both_sides(pictures)])

    def embed_too(self, pictures: Sequence[Image.Image]) -> tuple[Reals, Reals]:
        """The embedder's embeddings, (N, size) unit rows, and the rows of `embed_pictures`.

        A retriever that does both makes its trunk's map once, so that both cost little more than one. One that is
        computed fast keeps its own way.
        """
        import torch
        from torch.nn.functional import normalize

        network, flip = self.retriever.network, self.retriever.settings.flip
        if not pictures or self.embedder is not self.retriever or self.retriever.fast is not None:
            return self.embedder.embed_pictures(pictures), self.embed_pictures(pictures)
        assert network.attribute_branch is not None
        embedded: list[Tensor] = []
        read: list[tuple[Tensor, Tensor]] = []
        with torch.inference_mode():
            for each in self._both_sides(pictures):
                trunk = network.trunk(each)
                read.append(network.attribute_branch(trunk))
                if flip or not embedded:
                    embedded.append(normalize(network.embed_map(network.head(trunk)), dim=1))
            rows = embedded[0] if not flip else normalize(embedded[0] + embedded[1], dim=1)
            return np.asarray(rows.numpy()), self._probabilities(read)

    def _both_sides(self, pictures: Sequence[Image.Image]) -> tuple[Tensor, Tensor]:
        """Pixels of the pictures and of their mirror images, as the network takes them."""
        import torch

        settings = self.retriever.settings
        batch = np.stack([resize(picture, settings.height, settings.width) for picture in pictures])
        pixels = normalise(batch, settings.mean, settings.std)
        return pixels, pixels.flip(3).contiguous(memory_format=torch.channels_last)

    def _probabilities(self, read: Sequence[tuple[Tensor, Tensor]]) -> Reals:
        """The mean of the logits of both sides, as calibrated probabilities."""
        values, hidden = ((one + other).numpy() / 2 for one, other in zip(*read, strict=True))
        return np.concatenate([self._values.probabilities(values), self._hidden.probabilities(hidden)], axis=1)

    def boxes(self, picture: Image.Image) -> dict[str, tuple[float, float, float, float]]:
        """Where the network looked for each family in a picture: left, top, right, bottom in shares of its sides."""
        import torch

        network, settings = self.retriever.network, self.retriever.settings
        assert network.attribute_branch is not None
        batch = resize(picture, settings.height, settings.width)[None]
        with torch.inference_mode():
            found = network.attribute_branch.boxes(network.trunk(normalise(batch, settings.mean, settings.std)))[0]
        rows = ((float(a), float(b), float(c), float(d)) for a, b, c, d in found.tolist())
        return dict(zip(network.attribute_branch.families, rows, strict=True))

    def table(self, rows: Reals) -> AttributeTable:
        """Rows of `embed_pictures` as what they mean."""
        known = np.where(rows == UNKNOWN, np.float32(np.nan), rows)
        return AttributeTable(known[:, : len(VALUES)], known[:, len(VALUES) :], self._values.shares)


class _Columns:
    """The logits of a network, column by column, as calibrated probabilities in the order of the vocabulary."""

    def __init__(
        self, own: Sequence[tuple[str, str]], wanted: Sequence[tuple[str, str]], calibrations: Calibrations
    ) -> None:
        place = {pair: column for column, pair in enumerate(own)}
        known = [
            (column, place[pair], calibrations[pair[0]][pair[1]])
            for column, pair in enumerate(wanted)
            if pair in place and pair[1] in calibrations.get(pair[0], {})
        ]
        self.width = len(wanted)
        self.to, self.of = np.array([each[0] for each in known], int), np.array([each[1] for each in known], int)
        self.slopes = np.array([each[2].slope for each in known], np.float32)
        self.offsets = np.array([each[2].offset for each in known], np.float32)
        self.shares = np.full(self.width, np.nan, np.float32)
        self.shares[self.to] = [each[2].share for each in known]

    def probabilities(self, logits: Reals) -> Reals:
        """(N, own columns) → (N, wanted columns), `UNKNOWN` where there is none."""
        odds = logits[:, self.of] * self.slopes + self.offsets
        found = np.full((len(logits), self.width), UNKNOWN, np.float32)
        found[:, self.to] = 0.5 * (1 + np.tanh(0.5 * odds))
        return found
