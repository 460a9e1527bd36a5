"""The people on whom something may be tuned: those that neither retriever nor reasoner was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from reidr.data.join import join_training
from reidr.data.person_key import in_dataset
from reidr.data.reading.notes import Note
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError, RecipeError
from reidr.fusion.provenance import held_out_split, training_data
from reidr.reasoning.backends.backend import Backend
from reidr.retrieval.embedders.embedder import Embedder, facts_of
from reidr.training.common.identities import hold_out_identities, known_people
from reidr.training.common.left_out import say_left_out
from reidr.training.recipes.data_sets import data_path, load_named
from reidr.training.recipes.find import find_recipe, read_recipe, stage_values
from reidr.training.recipes.pairs import PairsRecipe
from reidr.training.recipes.pretraining import PretrainingRecipe
from reidr.training.tuning.searches import as_search


def held_out_people(
    recipe_name: str, changes: dict[str, Any], retriever: Embedder, model: Path | None = None
) -> tuple[Crop, ...]:
    """Photos of the training identities that neither a recipe's reasoner nor `retriever` was trained on; empty for a
    recipe without photos, or where the photos are not on this machine.

    They are those that section `pretraining` held out, or section `pairs` for a recipe that starts from somebody else's
    checkpoint; `changes` are to that section.

    Args:
        model: the folder of the reasoner, whose provenance is checked too; None: it is not checked.

    Raises:
        RecipeError: neither section. DataError: `retriever` or the reasoner was trained on the recipe's data sets,
            under whatever name, and held out other people: distances among them would not be those of strangers.
    """
    said = facts_of(retriever)
    models = [(f"retriever {retriever.name}", said.trained_on, said.held_out)]
    if model is not None:
        models.append((f"reasoner {model}", training_data(model), held_out_split(model)))
    sections = read_recipe(find_recipe(recipe_name))
    if "pretraining" in sections:
        pretraining = PretrainingRecipe.from_values(*stage_values(recipe_name, "pretraining", changes))
        data, split = pretraining.data, (pretraining.held_out_share, pretraining.split_seed)
    elif "pairs" in sections:
        pairs = PairsRecipe.from_values(*stage_values(recipe_name, "pairs", changes))
        data, split = pairs.data, (pairs.held_out_share, pairs.seed)
        if pairs.source != "folds":
            raise RecipeError(f"{recipe_name}: pairs of source {pairs.source} hold nobody out for tuning; use folds")
    else:
        raise RecipeError(f"{recipe_name}: neither 'pretraining' nor 'pairs' says which people were held out")
    if not data or not all(data_path(name).exists() for name in data):
        return ()
    datasets = [load_named(name) for name in data]
    say_left_out(datasets)
    held_out = hold_out_identities(join_training(datasets), *split)[1]
    if not said.trained_on:
        click.echo(
            f"retriever {retriever.name} does not say what it was trained on: where it knows the people on whom fusion "
            "is tuned, its distances are trusted too much",
            err=True,
        )
    for name, trained_on, own in models:
        check_unknown(name, trained_on, own, datasets, held_out, split)
    return held_out


def check_unknown(
    name: str,
    trained_on: Sequence[str],
    own: tuple[float, int] | None,
    datasets: Sequence[ReIDDataset],
    held_out: Sequence[Crop],
    split: tuple[float, int],
) -> None:
    """Raise DataError where a model knows, or may know, people whom a recipe holds out.

    Args:
        name, trained_on, own: the model, its training data, and the split by which it held people out.
        held_out: crops of `join_training(datasets)` that the recipe's `split` holds out.
    """
    for dataset in datasets:
        crops = [crop for crop in held_out if in_dataset(str(crop.person), dataset.name) is not None]
        known = known_people(dataset, crops, trained_on, own)
        if known.people:
            people = len({crop.person for crop in crops})
            doubt = "" if known.certain else " (judged by names alone: rename folder and files if these are others)"
            raise DataError(
                f"{name} was trained on {known.names[0]} and held out {split_in_words(own)}, the recipe "
                f"{split_in_words(split)} of {dataset.name}: it knows, or may know, {len(known.people):,} of the "
                f"recipe's {people:,} held-out people{doubt}; nothing can be tuned on people whom one of the two has "
                "seen"
            )


def split_in_words(split: tuple[float, int] | None) -> str:
    """A split of identities (share, seed) for a message."""
    return "people whom it does not name" if split is None else f"a share of {split[0]} by seed {split[1]}"


def held_out_search(dataset: ReIDDataset, retriever: Embedder, reasoner: Backend | None = None) -> ReIDDataset:
    """The training identities of `dataset` that `retriever`, and `reasoner`, never saw, as a search.

    The data set is recognised by its content (`known_people`), not only by its folder's name.
    Raises DataError where the retriever was not trained on this data set, does not say whom it held out, or nobody was
    held out; and where the reasoner knows, or may know, some of them.
    """
    facts = facts_of(retriever)
    known = known_people(dataset, dataset.train, facts.trained_on, facts.held_out)
    if facts.held_out is None or not known.names:
        raise DataError(f"retriever {retriever.name} does not say which identities of {dataset.name} it held out")
    unseen = tuple(crop for crop in dataset.train if crop.person is not None and crop.person not in known.people)
    if reasoner is not None:
        seen = known_people(dataset, unseen, reasoner.card.trained_on, reasoner.card.held_out)
        if seen.people:
            number = f"{len(seen.people):,} of the {len({crop.person for crop in unseen}):,}"
            raise DataError(
                f"the reasoner was trained on {seen.names[0]} and did not hold out {number} identities that retriever "
                f"{retriever.name} did; evaluate it on people it has not seen, or take --reasoner none"
            )
    crops = join_training([replace(dataset, train=unseen)]) if unseen else ()
    search = as_search(f"{dataset.name}, held-out training identities", crops, len(crops) + 1, 0)
    if not search.query or not search.gallery:
        raise DataError(f"{dataset.name}: retriever {retriever.name} held out nobody who is seen by two cameras")
    if known.names != (dataset.name,):
        how = "are" if known.certain else "are taken, by the names of their files, for"
        text = f"the people of {dataset.name} {how} those that retriever {retriever.name} calls {known.names[0]}"
        return replace(search, notes=(Note(text, kind="same data set"),))
    return search
