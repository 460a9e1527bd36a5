"""What is drawn for the attribute branch in every step: described crops of photos and of drawn people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reidr.data.types import Crop
from reidr.retrieval.embedders.preprocess import decode
from reidr.training.common.identities import STREET, family_of
from reidr.training.recipes.retriever import AttributeTraining
from reidr.training.retriever.attributes.cutting import cut_pictures
from reidr.training.retriever.attributes.loss import AttributeLoss
from reidr.training.retriever.attributes.targets import Marks, drawing_weights, marks_of, shares_true


@dataclass(frozen=True, eq=False)
class DescribedBatch:
    """(N, H, W, 3) pictures with what is known of them and the number of each one's data set, as `AttributeLoss` takes
    them."""

    pixels: NDArray[np.uint8]
    values: Marks
    hidden: Marks
    sets: NDArray[np.int64]


class AttributeTask:
    """The described crops of a training, and the loss of the branch that learns from them."""

    def __init__(self, recipe: AttributeTraining, crops: Sequence[Crop]) -> None:
        self.recipe, self.crops = recipe, list(crops)
        families = [family_of(str(crop.person)) for crop in crops]
        photos = set(families) - {STREET}
        parts = dict.fromkeys(photos, (1 - recipe.street_share) / max(1, len(photos))) | {STREET: recipe.street_share}
        self.weights = drawing_weights(self.crops, families, parts)
        self.values, self.hidden = marks_of(self.crops)
        names, self.sets = np.unique(families, return_inverse=True)
        shares = [
            shares_true(self.values, np.where(self.sets == each, self.weights, 0.0)) for each in range(len(names))
        ]
        self.loss = AttributeLoss(np.stack(shares), recipe.rarity, recipe.hidden_weight)
        self.pixels = np.empty((0, 0, 0, 3), np.uint8)

    def resize(self, height: int, width: int) -> None:
        """Read the pictures at that size, unless they have it."""
        if self.pixels.shape[1:3] != (height, width):
            self.pixels = decode(self.crops, height, width)

    def draw(self, random: np.random.Generator) -> DescribedBatch:
        """The crops of one step, some of them cut."""
        rows = random.choice(len(self.crops), self.recipe.batch, p=self.weights)
        pixels, cut = cut_pictures(self.pixels[rows], self.recipe.cut, random)
        return DescribedBatch(pixels, self.values[rows], together(self.hidden[rows], cut), self.sets[rows])


def together(stated: Marks, cut: Marks) -> Marks:
    """What a source says is hidden, and what a cut hides: hidden by either, shown only where both say so."""
    hidden: Marks = np.where((stated == 1) & (cut != 1), 1, cut).astype(np.int8)
    return hidden
