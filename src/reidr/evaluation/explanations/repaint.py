"""Counterfactual test: one garment of a drawn person is repainted; what is said must change there and only there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from reidr.data.attribute_sources import STREET_COLOR
from reidr.data.attributes import common_attributes, states
from reidr.data.synthetic.person.palette import LOWER_COLORS, SHOES_COLORS, UPPER_COLORS
from reidr.data.synthetic.picture.crop import render_crop
from reidr.data.synthetic.plan import plan_street
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.types import Crop
from reidr.evaluation.experiment.candidate_scoring import steps_of
from reidr.evaluation.experiment.outcome import Progress
from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.prompting.questions import QUESTIONS, value_of
from reidr.reasoning.rationales.claims import parse_description
from reidr.reasoning.rationales.regions import UNSEEN

GARMENTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "upper colors": ("upper_color", UPPER_COLORS),
    "lower colors": ("lower_color", LOWER_COLORS),
    "shoe colors": ("shoes_color", SHOES_COLORS),
}
"""Families of the vocabulary, each with its name on the street and the colours that it is drawn in there."""

How = Literal["asked", "described"]
Worn = Literal["all", "of one colour", "with a pattern", "under a jacket"]
PATTERNED = ("horizontal stripes", "vertical stripes", "checked", "two-tone")


@dataclass(frozen=True)
class Repainted:
    """What is said before and after one garment was repainted, over crops that show it.

    Attributes:
        garment: the attribute that was changed. crops: how many.
        worn: of which crops; tops are also told apart by what there is to see of their colour (`worn_as`).
        how: "asked" about every attribute by itself, or "described" freely, where what is not mentioned counts as a
            statement of its own: never right, and kept where it is not mentioned in the other description either.
        moved: share of crops where what is said of it changed. right: share where it is right before and after.
        kept: share of what is said about everything else in view that stayed the same.
    """

    garment: str
    crops: int
    how: How
    moved: float
    right: float
    kept: float
    worn: Worn = "all"


def repaint(number: int, seed: int) -> dict[str, list[tuple[Crop, Crop]]]:
    """`number` pairs of crops per garment, before and after it got another colour: same person, pose, camera, noise."""
    street = plan_street(StreetSettings(seed=seed, train_people=max(20, number), distractors=0, junk=0))
    random = np.random.default_rng(seed)
    pairs: dict[str, list[tuple[Crop, Crop]]] = {garment: [] for garment in GARMENTS}
    for place in random.permutation(len(street.sightings)):
        sighting = street.sightings[place]
        for garment, (name, colors) in GARMENTS.items():
            if len(pairs[garment]) >= number:
                continue
            words = STREET_COLOR.get
            taken = {words(each, each) for each in (getattr(sighting.outfit, name), sighting.outfit.pattern_color)}
            other = [color for color in colors if words(color, color) not in taken]
            outfit = replace(sighting.outfit, **{name: other[int(random.integers(len(other)))]})
            drawn = [
                render_crop(sighting.person, each, sighting.view, sighting.camera, sighting.seed)
                for each in (sighting.outfit, outfit)
            ]
            if any(each.attributes[name] == UNSEEN for each in drawn):
                continue
            title = f"{name}-{len(pairs[garment])}"
            before, after = (
                Crop(f"{title}-{when}", each.image, attributes=dict(each.attributes))
                for when, each in zip(("before", "after"), drawn, strict=True)
            )
            pairs[garment].append((before, after))
        if all(len(own) >= number for own in pairs.values()):
            break
    return pairs


def worn_as(crop: Crop) -> Worn:
    """How a drawn person's top is worn in `crop`: of a patterned one a third or more is of another colour, and of one
    under an open jacket a strip is seen. From behind, a plain top and one with a print are both of one colour.
    """
    if crop.attributes["jacket_color"] not in ("none", UNSEEN):
        return "under a jacket"
    return "with a pattern" if crop.attributes["upper_pattern"] in PATTERNED else "of one colour"


def measure_repainting(
    reasoner: Reasoner, progress: Progress, *, number: int = 120, seed: int = 500
) -> list[Repainted]:
    """Ask about every attribute before and after, and have both described; two results per garment.

    Tops have two more for every way in which they are worn (`worn_as`).
    """
    results = []
    for garment, pairs in repaint(number, seed).items():
        crops = [crop for pair in pairs for crop in pair]
        asked: list[dict[str, str]] = [{} for _ in crops]
        with progress(f"asking about repainted crops: {garment}", len(crops) * (len(QUESTIONS) + 1)) as advance:
            for attribute, questions in QUESTIONS.items():
                told = reasoner.ask_about_crops(crops, questions[0], max_new_tokens=12, progress=steps_of(advance))
                for own, answer in zip(asked, told, strict=True):
                    own[attribute] = value_of(answer)
            described = [
                parse_description(text) for text in reasoner.ask_about_crops(crops, progress=steps_of(advance))
            ]
        shown: list[Worn] = [worn_as(before) for before, _ in pairs]
        groups = [worn for worn in get_args(Worn) if worn in shown] if garment == "upper colors" else []
        for worn in ("all", *groups):
            places = [place for place, own in enumerate(shown) if worn in ("all", own)]
            some = [pairs[place] for place in places]
            both = [2 * place + when for place in places for when in range(2)]
            results += [
                compared(garment, some, "asked", [asked[row] for row in both], worn),
                compared(garment, some, "described", [described[row] for row in both], worn),
            ]
    return results


def compared(
    garment: str,
    pairs: Sequence[tuple[Crop, Crop]],
    how: How,
    said: Sequence[Mapping[str, str]],
    worn: Worn = "all",
) -> Repainted:
    """`said` has the attributes stated of each crop of `pairs`, before and after in turn."""

    known = [common_attributes(crop.attributes) for pair in pairs for crop in pair]

    def both(attribute: str) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
        stated = [own.get(attribute, "") for own in said]
        true = [own.get(attribute, UNSEEN) for own in known]
        return np.array(stated).reshape(-1, 2), np.array(true).reshape(-1, 2)

    stated, true = both(garment)
    same: list[bool] = []
    for attribute in QUESTIONS:
        if attribute != garment:
            now, shown = both(attribute)
            same += (now[:, 0] == now[:, 1])[(shown != UNSEEN).all(axis=1)].tolist()
    moved = stated[:, 0] != stated[:, 1]
    right = np.array(
        [
            all(each and states(each, value) for each, value in zip(*row, strict=True))
            for row in zip(stated, true, strict=True)
        ]
    )
    return Repainted(garment, len(pairs), how, float(moved.mean()), float(right.mean()), float(np.mean(same)), worn)
