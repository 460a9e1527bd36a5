"""`reidr pairs`: read the settings, load crops, rank out of fold, mine pairs, save. A finished run does nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from reidr.core.progress import progress
from reidr.core.run import Run, content_hash, in_own_folder
from reidr.data.join import join_training
from reidr.data.person_key import PersonKey, dataset_of
from reidr.data.protocols.dataset_overlap import overlapping_people
from reidr.data.sketch import sketch_of
from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.training.pairs.balance import balance_pairs
from reidr.training.pairs.mine import mine_pairs
from reidr.training.pairs.rankers import rankers_of
from reidr.training.pairs.selection import find_selection
from reidr.training.pairs.table import MinedPair, write_pairs
from reidr.training.pretraining.finished import pretraining_recipe
from reidr.training.pretraining.streets import street_people
from reidr.training.processes.joining import across_processes
from reidr.training.processes.team import processes
from reidr.training.recipes.data_sets import load_training_data, without_validation_list
from reidr.training.recipes.find import stage_values
from reidr.training.recipes.pairs import PairsRecipe


@across_processes
@in_own_folder
def pairs_stage(recipe_name: str, folder: Path, changes: dict[str, Any]) -> Path:
    """Mine the candidate pairs of a recipe; returns the Parquet file. A finished run does nothing.

    Several processes share embedding, mining and the folds' retrievers; the file's bytes do not depend on their number.
    """
    values, source = stage_values(recipe_name, "pairs", changes)
    recipe = PairsRecipe.from_values(values, source)
    crops, forbidden, sketches = training_crops(recipe, source)
    with_street = recipe.source == "pretraining" and (recipe.street or not crops)
    streets = processes().after_first(lambda: street_parts(recipe, folder)) if with_street else {}
    crops = (*crops, *(crop for part in streets.values() for crop in part))
    data = {"crops": content_hash([crop.id for crop in crops])}
    run = Run(folder, "pairs", recipe.model_dump(mode="json"), data, defaults=recipe.defaults())
    path = folder / "pairs.parquet"
    if run.finished("pairs"):
        return path
    find_selection(recipe.selection)  # an unknown rule is refused before anything is embedded
    started = time.perf_counter()
    mined: list[MinedPair] = []
    rankers = rankers_of(recipe, crops, folder, streets)
    for ranker in rankers:
        number = sum(crop.person in ranker.unseen for crop in crops)
        with progress(f"mining pairs, fold {ranker.fold} ({ranker.part})", number) as advance:
            mined += mine_pairs(recipe, crops, ranker, forbidden, advance)
    mined = once(mined)
    images = Counter(dataset_of(str(crop.person)) for crop in crops)
    kept = [
        pair
        for part, most in (("train", budgets(recipe, images)), ("held_out", recipe.held_out_pairs))
        for pair in balance_pairs([pair for pair in mined if pair.part == part], most, recipe.seed)
    ]
    if not any(pair.part == "train" for pair in kept):
        raise DataError("no pairs of both labels were found across cameras; the recipe's data sets are too small")
    if processes().is_first:
        for sentence in shortfalls(recipe, images, kept):
            click.echo(sentence, err=True)
        facts = {"training_images": dict(images), "pictures": sketches}
        write_pairs(path, kept, recipe.model_dump(mode="json") | facts)
    counts = Counter(f"{pair.part} {pair.dataset} {'same' if pair.label else 'different'}" for pair in kept)
    run.finish("pairs", started, pairs=len(kept), mined=len(mined), counts=dict(sorted(counts.items())))
    return path


def budgets(recipe: PairsRecipe, images: Mapping[str, int]) -> int | dict[str, int]:
    """Most training pairs: of all data sets together, or of each by its training images (`pairs_per_image`)."""
    if recipe.pairs_per_image is None:
        return recipe.pairs
    return {name: round(number * recipe.pairs_per_image) for name, number in images.items()}


def shortfalls(recipe: PairsRecipe, images: Mapping[str, int], kept: Sequence[MinedPair]) -> list[str]:
    """A sentence where fewer training pairs were drawn than the recipe asks for, and what to change."""
    drawn = Counter(pair.dataset for pair in kept if pair.part == "train")
    asked = budgets(recipe, images)
    wanted, found = ({"all data sets": asked}, {"all data sets": drawn.total()}) if isinstance(asked, int) else (
        asked, drawn
    )  # fmt: skip
    return [
        f"pairs: {found[name]:,} of the {number:,} training pairs that the recipe asks for could be drawn from {name}; "
        "raise queries, positives, negatives or negative_ranks, or ask for fewer"
        for name, number in sorted(wanted.items())
        if found[name] < number - 1
    ]


def training_crops(
    recipe: PairsRecipe, source: str
) -> tuple[tuple[Crop, ...], frozenset[str], dict[str, tuple[str, ...]]]:
    """The joined training crops, the test people of the same data sets, whom no pair may show, and a sketch of each
    data set's pictures by its name (`sketch_of`): a reasoner that keeps them knows its data again under another name.

    `source` names the recipe section in messages.
    """
    paths = pretraining_recipe(recipe.pretraining).data if recipe.source == "pretraining" else recipe.data
    if not paths and recipe.source != "pretraining":
        raise DataError("mining pairs needs photo sets: the recipe names none (data)")
    datasets = load_training_data(paths, source)
    if not recipe.validation_lists:
        datasets = [without_validation_list(dataset) for dataset in datasets]
    training = join_training(datasets) if datasets else ()
    tested = {
        str(PersonKey(each.name, c.person)) for each in datasets for c in (*each.query, *each.gallery) if c.person
    }
    for dataset in datasets:
        # A test person of one data set may be a training person of another: a subset, a copy, a manifest of its files.
        tests = [replace(each, train=()) for each in datasets if each.query or each.gallery]
        train_only = replace(dataset, query=(), gallery=())
        tested |= {
            str(PersonKey(dataset.name, person)) for each in tests for person in overlapping_people(train_only, each)
        }
    # A person on both sides is left out of training.
    kept = tuple(crop for crop in training if crop.person not in tested)
    return kept, frozenset(tested), {dataset.name: sketch_of(dataset) for dataset in datasets}


def street_parts(recipe: PairsRecipe, folder: Path) -> dict[str, tuple[Crop, ...]]:
    """Rendered people unknown to the vision encoder: the language model's for training, others for validation."""
    pretraining = pretraining_recipe(recipe.pretraining)
    return {
        "train": street_people(recipe.pretraining / "street", pretraining.street_people, pretraining.street_seed + 1),
        "held_out": street_people(folder / "street", recipe.held_out_street_people, pretraining.street_seed + 2),
    }


def once(pairs: Sequence[MinedPair]) -> list[MinedPair]:
    """The pairs without repetitions in either order."""
    kept: dict[frozenset[str], MinedPair] = {}
    for pair in pairs:
        kept.setdefault(frozenset((pair.query.id, pair.candidate.id)), pair)
    return list(kept.values())
