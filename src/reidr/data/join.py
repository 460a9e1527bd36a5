"""Training on several data sets at once: their labels must not run together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reidr.data.person_key import PersonKey
from reidr.data.protocols.dataset_overlap import overlapping_people
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError


def join_training(datasets: Sequence[ReIDDataset]) -> tuple[Crop, ...]:
    """All labelled training crops, ids, persons and cameras prefixed by their data set's name (`market1501:0002`).

    Person 0002 of one data set is not person 0002 of another, nor is camera 1. Raises DataError for data sets of the
    same name, for one without labelled training crops, and for two that show the same people under two names: each of
    those would be two people.
    """
    names = [dataset.name for dataset in datasets]
    if len(set(names)) < len(names):
        raise DataError(f"two training data sets share the name {max(names, key=names.count)!r}; rename one folder")
    check_different_people(datasets)
    joined: list[Crop] = []
    for dataset in datasets:
        labelled = [(crop, crop.person) for crop in dataset.train if crop.person is not None]
        if not labelled:
            where = dataset.root or dataset.name
            raise DataError(f"{where}: no labelled training crops (bounding_box_train or split 'train')")
        for crop, person in labelled:
            joined.append(
                replace(
                    crop,
                    id=f"{dataset.name}/{crop.id}",
                    person=str(PersonKey(dataset.name, person)),
                    camera=None if crop.camera is None else f"{dataset.name}:{crop.camera}",
                )
            )
    return tuple(joined)


def check_different_people(datasets: Sequence[ReIDDataset]) -> None:
    """Raise DataError where two of the data sets show the same training people (`families.overlapping_people`)."""
    training = [replace(dataset, query=(), gallery=()) for dataset in datasets]
    for place, first in enumerate(training):
        for second in training[place + 1 :]:
            both = overlapping_people(first, second)
            if both:
                raise DataError(
                    f"{first.name} and {second.name} show {len(both):,} of the same training people (person {min(both)}"
                    ", for one), who would each be two people: leave one of the data sets out"
                )
