"""The data sets that a recipe names: where they are, or where to ask for them, and who is on their training crops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reidr.data.checks.official_counts import OFFICIAL, identify
from reidr.errors import DataError
from reidr.training.recipes.data_sets import SOURCES, VARIABLE, data_name, data_path, load_named

Seen = tuple[str, str]
"""A crop: who is on it, and the camera."""

CAMERAS_PER_PERSON = {"market1501": 4, "cuhk03-np/detected": 2, "cuhk03-np/labelled": 2, "msmt17": 4, "prcc": 3}
"""Cameras that see a training person on average, where only the official counts are at hand; 4 for all others."""
STAGES_WITH_DATA = ("retriever", "pretraining", "pairs")


@dataclass(frozen=True)
class PlannedData:
    """A data set that a recipe names.

    Attributes:
        name, path: as it is named, and where it is or would be. found: whether it is there. problem: why it cannot be
            read, or that it is missing and what to do. stages: which name it. counted: "read here", "official counts"
            or "unknown". images, people: labelled training crops and the persons on them. crops: each of these crops;
            made up, with the official numbers, for a data set that is not here.
    """

    name: str
    path: str
    found: bool
    stages: tuple[str, ...]
    problem: str = ""
    counted: str = "unknown"
    images: int = 0
    people: int = 0
    crops: tuple[Seen, ...] = field(default=(), repr=False)


def planned_data(sections: Mapping[str, Mapping[str, Any]]) -> list[PlannedData]:
    """The data sets of all sections of a recipe, each once, in the order in which they are named."""
    stages: dict[str, list[str]] = {}
    for stage in STAGES_WITH_DATA:
        section = sections.get(stage, {})
        described = (section.get("attribute_recognition") or {}).get("data", ())
        for name in (*section.get("data", ()), *described):
            if stage not in stages.setdefault(str(name), []):
                stages[str(name)].append(stage)
    return [look_at(name, tuple(own)) for name, own in stages.items()]


def look_at(name: str, stages: Iterable[str]) -> PlannedData:
    """One data set: read where it is there, else by its official counts."""
    path, stages = data_path(name), tuple(stages)
    if not path.exists():
        crops = made_up(name)
        ask = SOURCES.get(data_name(name))
        problem = f"no such folder; put it there, or set {VARIABLE} to the folder that holds it"
        problem += f". {ask}" if ask else ""
        counted = "official counts" if crops else "unknown"
        return PlannedData(name, str(path), False, stages, problem, counted, len(crops), _people(crops), crops)
    try:
        dataset = load_named(name)
    except DataError as error:
        return PlannedData(name, str(path), False, stages, str(error))
    crops = tuple(
        (f"{dataset.name}:{crop.person}", str(crop.camera))
        for crop in dataset.train
        if crop.person is not None and not crop.junk
    )
    return PlannedData(name, str(path), True, stages, "", "read here", len(crops), _people(crops), crops)


def made_up(name: str) -> tuple[Seen, ...]:
    """Crops as many as a data set of this name officially has, spread evenly over its people and their cameras."""
    nothing = {split: {"images": 0, "persons": 0} for split in ("train", "query", "gallery")}
    name = data_name(name)
    key = identify(name, nothing)
    if key is None:
        return ()
    official = OFFICIAL[key]["train"]
    # MSMT17 has two honest numbers; the one without the validation list is what works train on.
    images = (*official["images"].also, official["images"].number)[0]
    people, cameras = official["persons"].number, CAMERAS_PER_PERSON.get(key, 4)
    return tuple((f"{name}:{number % people}", str(number // people % cameras)) for number in range(images))


def _people(crops: Iterable[Seen]) -> int:
    return len({person for person, _ in crops})
