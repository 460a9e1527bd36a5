"""What single crops hide, where attributes are known per person only.

Market-1501's table says that a person carries a backpack; whether this crop shows it, it does not say. Teaching "a
backpack" on a crop that hides it teaches guessing. So a reader is fitted on other people, and where it sees the thing
in some crops of the person but not at all in this one, the crop is marked: it cannot be seen here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from reidr.data.types import Crop
from reidr.evaluation.explanations.probe import DECAY_FOR_STRANGERS, fit_probe
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.rationales.regions import UNSEEN
from reidr.training.common.identities import hold_out_identities

HIDEABLE = ("bag", "hat")
HERE, ELSEWHERE = 0.15, 0.5


def mark_hidden_attributes(crops: Sequence[Crop], features: CropFeatures) -> list[Crop]:
    """`crops` with things marked "not visible" that other crops of the person show and this one does not.

    Only crops whose attributes never say "not visible" themselves (photos with per-person tables) are touched, and only
    things that are carried or worn (`HIDEABLE`), never their absence. The reader is a linear probe on what the vision encoder
    sees, fitted on one half of the people and read on the other: below `HERE` in this crop, `ELSEWHERE` or more in
    another crop of the same person.
    """
    per_person = [
        place for place, crop in enumerate(crops) if crop.attributes and UNSEEN not in crop.attributes.values()
    ]
    drawn = {crop.person.split(":")[0] for crop in crops if crop.person and UNSEEN in crop.attributes.values()}
    places = [place for place in per_person if str(crops[place].person).split(":")[0] not in drawn]
    marked = list(crops)
    if not places:
        return marked
    features = torch.stack([seen.kept(place).float().mean(dim=0) for place in places]).cpu().numpy()
    first, _ = hold_out_identities([crops[place] for place in places], 0.5, 7)
    in_first = np.isin([crops[place].id for place in places], [crop.id for crop in first])
    for name in HIDEABLE:
        values = np.array([crops[place].attributes.get(name, "") for place in places])
        sure: NDArray[np.float64] = np.ones(len(places))
        for fitted in (in_first, ~in_first):
            rows = fitted & (values != "")
            if len(set(values[rows])) > 1:
                probe = fit_probe(features[rows], values[rows], decay=DECAY_FOR_STRANGERS)
                sure[~fitted] = probe.probability_of(features[~fitted], values[~fitted])
        best: dict[tuple[str, str], float] = {}
        for place, value, p in zip(places, values, sure, strict=True):
            key = (str(crops[place].person), str(value))
            best[key] = max(best.get(key, 0.0), float(p))
        for place, value, p in zip(places, values, sure, strict=True):
            if value not in ("", "none") and p < HERE and best[(str(crops[place].person), str(value))] >= ELSEWHERE:
                marked[place] = replace(marked[place], attributes={**marked[place].attributes, name: UNSEEN})
    return marked
