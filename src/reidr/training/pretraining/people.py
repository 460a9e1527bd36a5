"""Splitting training identities between the parts of the reasoner, so that nothing is chosen on people it knows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reidr.data.attributes import common_attributes
from reidr.data.join import join_training
from reidr.data.types import Crop
from reidr.training.common.identities import hold_out_identities
from reidr.training.recipes.data_sets import load_training_data
from reidr.training.recipes.pretraining import PretrainingRecipe


@dataclass(frozen=True)
class People:
    """The photos' training identities by use.

    Attributes:
        vision_encoder: crops of identities that the vision encoder is trained on. reasoning: of identities it is not
            trained on; candidate pairs are made of them. held_out: of identities that no part is trained on, for
            choices afterwards.
    """

    vision_encoder: tuple[Crop, ...]
    reasoning: tuple[Crop, ...]
    held_out: tuple[Crop, ...]


def split_people(recipe: PretrainingRecipe, source: str = "the pretraining run") -> People:
    """Split the photos' training identities by hash; all empty for a recipe without photos.

    `source` names the recipe section in messages. Raises DataError where a data set is missing.
    """
    if not recipe.data:
        return People((), (), ())
    datasets = load_training_data(recipe.data, source)
    crops = join_training(datasets)
    joined = [replace(crop, attributes=common_attributes(crop.attributes)) for crop in crops]
    kept, held_out = hold_out_identities(joined, recipe.held_out_share, recipe.split_seed)
    # With the same seed the second split would select the very people that the first has removed.
    vision_encoder, reasoning = hold_out_identities(kept, recipe.reasoning_share, recipe.split_seed + 1)
    return People(vision_encoder, reasoning, held_out)
