"""Splitting training identities between the parts of the reasoner, so that nothing is chosen on people it knows."""

from __future__ import annotations

from dataclasses import replace

from reidr.data.attributes import common_attributes
from reidr.data.join import join_training
from reidr.training.common.identities import SplitCrops, split_identities
from reidr.training.recipes.data_sets import load_training_data
from reidr.training.recipes.pretraining import PretrainingRecipe


def split_people(recipe: PretrainingRecipe, source: str = "the pretraining run") -> SplitCrops:
    """Split the photos' training identities by hash; all empty for a recipe without photos.

    `source` names the recipe section in messages. Raises DataError where a data set is missing.
    """
    if not recipe.data:
        return SplitCrops((), (), ())
    datasets = load_training_data(recipe.data, source)
    crops = join_training(datasets)
    joined = [replace(crop, attributes=common_attributes(crop.attributes)) for crop in crops]
    return split_identities(joined, recipe.held_out_share, recipe.reasoning_share, recipe.split_seed)
