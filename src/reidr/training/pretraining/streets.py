"""Rendered people for the pretraining; every use has its own street seed, so that nobody is in two of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reidr.core.progress import progress
from reidr.data.person_key import PersonKey
from reidr.data.synthetic.plan import plan_street
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.data.types import Crop
from reidr.training.recipes.pretraining import PretrainingRecipe

FIRST_ATTRIBUTE_STREET = 10  # seeds of the streets for attribute recognition, counted from `street_seed`


def street_people(folder: Path, people: int, seed: int) -> tuple[Crop, ...]:
    """The labelled crops of a rendered street, persons and cameras named after its seed."""
    settings = street_settings(people, seed)
    with progress(f"rendering street {seed}", len(plan_street(settings).sightings)) as advance:
        crops = render_street(folder, settings, advance).train
    return tuple(of_street(seed, crop) for crop in crops)


def street_settings(people: int, seed: int) -> StreetSettings:
    """A street with training people only."""
    return StreetSettings(seed=seed, train_people=people, crops_per_camera=3, distractors=0, junk=0)


def attribute_streets(folder: Path, recipe: PretrainingRecipe) -> tuple[Crop, ...]:
    """Crops of the streets for attribute recognition: one by each of two cameras per person.

    Naming a colour is learned from many people in many lights; one street of 350 people is too little for it,
    however many crops there are of each.
    """
    seeds = range(
        recipe.street_seed + FIRST_ATTRIBUTE_STREET,
        recipe.street_seed + FIRST_ATTRIBUTE_STREET + recipe.attribute_streets,
    )
    settings = StreetSettings(
        train_people=recipe.attribute_street_people, cameras_per_person=2, queries_per_person=1, crops_per_camera=1,
        distractors=0, junk=0,
    )  # fmt: skip
    rendered: list[Crop] = []
    with progress("rendering streets for attribute recognition", recipe.attribute_streets) as advance:
        for seed in seeds:
            crops = render_street(folder / str(seed), replace(settings, seed=seed)).train
            rendered += (of_street(seed, crop) for crop in crops)
            advance(1)
    return tuple(rendered)


def of_street(seed: int, crop: Crop) -> Crop:
    """`crop` with id, person and camera named after its street."""
    name = f"street{seed}"
    person = str(PersonKey(name, str(crop.person)))
    return replace(crop, id=f"{name}/{crop.id}", person=person, camera=f"{name}:{crop.camera}")
