"""Marking attributes as "not visible" on single crops, where they are known per person only.

Market-1501's table says that a person carries a backpack, but not whether a given crop shows it. Training "a backpack"
on a crop that hides it trains guessing. So a linear probe is fitted on other people; where it recognises the thing in
some crops of the person and not at all in this one, this crop is marked "not visible".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from reidr.data.person_key import dataset_of
from reidr.data.types import Crop
from reidr.evaluation.explanations.probe import DECAY_FOR_STRANGERS, fit_probe
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.rationales.regions import UNSEEN
from reidr.training.common.identities import hold_out_identities

HIDEABLE = ("bag", "hat")
HIDDEN_BELOW, VISIBLE_FROM = 0.15, 0.5  # probabilities of the probe


def mark_hidden_attributes(crops: Sequence[Crop], features: CropFeatures) -> list[Crop]:
    """`crops` with things marked "not visible" that other crops of the person show and this one does not.

    Changed are only crops of photos with attributes per person (they never say "not visible" themselves), and only
    things that are carried or worn (`HIDEABLE`), never their absence. The probe on the vision encoder's features is
    fitted on one half of the people and applied to the other. A thing is marked if its probability is below
    `HIDDEN_BELOW` in this crop and at least `VISIBLE_FROM` in another crop of the same person.
    """
    per_person = [
        place for place, crop in enumerate(crops) if crop.attributes and UNSEEN not in crop.attributes.values()
    ]
    per_crop = {dataset_of(crop.person) for crop in crops if crop.person and UNSEEN in crop.attributes.values()}
    places = [place for place in per_person if dataset_of(crops[place].person) not in per_crop]
    marked = list(crops)
    if not places:
        return marked
    means = torch.stack([features.kept(place).float().mean(dim=0) for place in places]).cpu().numpy()
    first, _ = hold_out_identities([crops[place] for place in places], 0.5, 7)
    in_first = np.isin([crops[place].id for place in places], [crop.id for crop in first])
    for name in HIDEABLE:
        values = np.array([crops[place].attributes.get(name, "") for place in places])
        probability: NDArray[np.float64] = np.ones(len(places))
        for fitted in (in_first, ~in_first):
            rows = fitted & (values != "")
            if len(set(values[rows])) > 1:
                probe = fit_probe(means[rows], values[rows], decay=DECAY_FOR_STRANGERS)
                probability[~fitted] = probe.probability_of(means[~fitted], values[~fitted])
        best: dict[tuple[str, str], float] = {}
        for place, value, p in zip(places, values, probability, strict=True):
            key = (str(crops[place].person), str(value))
            best[key] = max(best.get(key, 0.0), float(p))
        for place, value, p in zip(places, values, probability, strict=True):
            if (
                value not in ("", "none")
                and p < HIDDEN_BELOW
                and best[(str(crops[place].person), str(value))] >= VISIBLE_FROM
            ):
                marked[place] = replace(marked[place], attributes={**marked[place].attributes, name: UNSEEN})
    return marked
