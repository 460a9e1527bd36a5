"""Counterfactual test: one garment of a drawn person is repainted, and the answers must change there and only there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from reidr.data.street.crop import render_crop
from reidr.data.street.palette import LOWER_COLORS, SHOES_COLORS, UPPER_COLORS
from reidr.data.street.plan import plan_street
from reidr.data.street.settings import StreetSettings
from reidr.data.types import Crop
from reidr.evaluation.asking import steps_of
from reidr.evaluation.outcome import Progress
from reidr.reasoning.questions import QUESTIONS, value_of
from reidr.reasoning.reasoner import Reasoner
from reidr.reasoning.regions import UNSEEN

GARMENTS: Mapping[str, tuple[str, ...]] = {
    "upper_color": UPPER_COLORS,
    "lower_color": LOWER_COLORS,
    "shoes_color": SHOES_COLORS,
}


@dataclass(frozen=True)
class Repainted:
    """Answers before and after one garment was repainted, over crops that show it.

    Attributes:
        garment: the attribute that was changed. crops: how many.
        moved: share of crops whose answer about it changed. right: share whose answer was right before and after.
        kept: share of the answers about everything else in view that stayed the same.
    """

    garment: str
    crops: int
    moved: float
    right: float
    kept: float


def repaint(number: int, seed: int) -> dict[str, list[tuple[Crop, Crop]]]:
    """`number` pairs of crops per garment, before and after it got another colour: same person, pose, camera, noise."""
    street = plan_street(StreetSettings(seed=seed, train_people=max(20, number), distractors=0, junk=0))
    random = np.random.default_rng(seed)
    pairs: dict[str, list[tuple[Crop, Crop]]] = {garment: [] for garment in GARMENTS}
    for place in random.permutation(len(street.sightings)):
        sighting = street.sightings[place]
        for garment, colors in GARMENTS.items():
            if len(pairs[garment]) >= number:
                continue
            now = getattr(sighting.outfit, garment)
            taken = {now, sighting.outfit.pattern_color}
            other = [color for color in colors if color not in taken]
            outfit = replace(sighting.outfit, **{garment: other[int(random.integers(len(other)))]})
            drawn = [
                render_crop(sighting.person, each, sighting.view, sighting.camera, sighting.seed)
                for each in (sighting.outfit, outfit)
            ]
            if any(each.attributes[garment] == UNSEEN for each in drawn):
                continue
            name = f"{garment}-{len(pairs[garment])}"
            before, after = (
                Crop(f"{name}-{when}", each.image, attributes=dict(each.attributes))
                for when, each in zip(("before", "after"), drawn, strict=True)
            )
            pairs[garment].append((before, after))
        if all(len(own) >= number for own in pairs.values()):
            break
    return pairs


def measure_repainting(reasoner: Reasoner, progress: Progress, *, number: int = 60, seed: int = 500) -> list[Repainted]:
    """Ask about every attribute before and after; one result per garment."""
    results = []
    for garment, pairs in repaint(number, seed).items():
        crops = [crop for pair in pairs for crop in pair]
        same: list[bool] = []
        moved = right = np.zeros(len(pairs), dtype=bool)
        with progress(f"asking about repainted crops: {garment}", len(crops) * len(QUESTIONS)) as advance:
            for attribute, questions in QUESTIONS.items():
                told = reasoner.tell(crops, questions[0], max_new_tokens=12, progress=steps_of(advance))
                said = np.array([value_of(answer) for answer in told]).reshape(-1, 2)
                if attribute == garment:
                    truth = np.array([[crop.attributes[garment] for crop in pair] for pair in pairs])
                    moved, right = said[:, 0] != said[:, 1], (said == truth).all(axis=1)
                    continue
                seen = [all(crop.attributes[attribute] != UNSEEN for crop in pair) for pair in pairs]
                same += (said[:, 0] == said[:, 1])[seen].tolist()
        results.append(Repainted(garment, len(pairs), float(moved.mean()), float(right.mean()), float(np.mean(same))))
    return results
