"""What may be said of a training crop: what is known of its person, as far as it shows that, and what is recognised.

A table of persons does not say what a single crop shows, and no source knows everything. So the vision encoder's
calibrated probabilities decide what cannot be seen, what is only "probably" so, and what is said where nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from reidr.data.attributes import AND, EITHER, common_attributes
from reidr.data.types import Crop
from reidr.data.vocabulary import FAMILIES
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.nano.model import ConvolutionalVision
from reidr.reasoning.prompting.questions import QUESTIONS
from reidr.reasoning.rationales.regions import PROBABLY, UNSEEN
from reidr.training.common.identities import STREET, family_of

SURE = 0.75  # a value that is recognised with a smaller probability is said with "probably"
LIKELY = 0.5  # what nobody knows is said from here on; what is hidden with a greater probability is not said
MOST_COLORS = 2  # of a garment, where nobody knows them
Probabilities = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class VisibleCrops:
    """Training crops with what may be said of them, in one order.

    Attributes:
        known: of each crop, by family of the vocabulary: "red", "probably red", "not visible" (`rationales.regions`).
        upper, lower: (crops, values) unit vectors of how the upper and lower parts of the body look; None: unknown.
    """

    crops: Sequence[Crop]
    known: Sequence[Mapping[str, str]]
    upper: NDArray[np.float32] | None = None
    lower: NDArray[np.float32] | None = None


def visible_crops(crops: Sequence[Crop], features: CropFeatures) -> VisibleCrops:
    """What may be said of `crops`, whose features these are."""
    visual: ConvolutionalVision = features.model.model.visual
    families = visual.attributes.families
    pairs = [(name, value) for name, values in families.items() for value in values]
    joined = [common_attributes(crop.attributes) for crop in crops]
    is_street = [family_of(str(crop.person)) == STREET for crop in crops]
    said = sayable([own for own, drawn in zip(joined, is_street, strict=True) if not drawn])
    known, upper, lower = [], [], []
    for place, (own, drawn) in enumerate(zip(joined, is_street, strict=True)):
        kept = features.kept(place)
        parts = kept.float().split(visual.sizes, dim=-1)
        row = parts[-1][0].tolist()
        recognised: dict[str, dict[str, float]] = {}
        for (name, value), probability in zip(pairs, row, strict=False):
            recognised.setdefault(name, {})[value] = probability
        hidden = dict(zip(families, row[len(pairs) :], strict=True))
        known.append(dict(own) if drawn else say(own, recognised, hidden, said))
        if drawn:
            known[-1] = {name: hedged(name, value, recognised.get(name, {})) for name, value in own.items()}
        upper.append(parts[2][0])
        lower.append(parts[2][-1])
    ends = [torch.nn.functional.normalize(torch.stack(each), dim=-1).cpu().numpy() for each in (upper, lower)]
    return VisibleCrops(crops, known, *ends)


def sayable(known: Sequence[Mapping[str, str]]) -> frozenset[tuple[str, str]]:
    """The (family, value) that are known to be true of somebody in a photo: no other one is said of photos."""
    found = {
        (name, each)
        for own in known
        for name, value in own.items()
        if value != UNSEEN and EITHER not in value
        for each in value.split(AND)
    }
    return frozenset(found)


def say(
    known: Mapping[str, str],
    recognised: Probabilities,
    hidden: Mapping[str, float],
    said: frozenset[tuple[str, str]],
) -> dict[str, str]:
    """What may be said of a photo.

    Args:
        known: of its person, as `common_attributes` gives it. recognised: P(value | it can be seen) by family.
        hidden: P(it cannot be seen) by family. said: what may be said of a photo at all (`sayable`).
    """
    found = {}
    for name in QUESTIONS:
        own = recognised.get(name, {})
        if hidden.get(name, 0.0) > LIKELY:
            found[name] = UNSEEN
        elif name in known and EITHER not in known[name]:
            found[name] = hedged(name, known[name], own)
        else:
            possible = known[name].split(EITHER) if name in known else FAMILIES[name].values
            chances = {value: own.get(value, 0.0) for value in possible if (name, value) in said}
            value = likeliest(name, chances)
            if value is not None:
                found[name] = hedged(name, value, own)
            elif name in known:
                found[name] = known[name]
    return {name: value for name, value in found.items() if value is not None}


def likeliest(name: str, chances: Mapping[str, float]) -> str | None:
    """The value or values of a family that are likely enough to be said; None where none is."""
    if not FAMILIES[name].several:
        total = sum(chances.values())
        best = max(chances, key=lambda value: chances[value], default=None)
        return best if best is not None and chances[best] >= LIKELY * max(1.0, total) else None
    likely = sorted((value for value in chances if chances[value] >= LIKELY), key=lambda value: -chances[value])
    likely = likely[:1] if "nothing" in likely[:MOST_COLORS] else likely[:MOST_COLORS]
    return AND.join(sorted(likely, key=FAMILIES[name].values.index)) or None


def hedged(name: str, value: str, recognised: Mapping[str, float]) -> str:
    """The value, with "probably" before it where the vision encoder is not sure of it."""
    if name not in FAMILIES or value == UNSEEN or EITHER in value or not recognised:
        return value
    own = [recognised.get(each, 1.0) for each in value.split(AND)]
    return value if min(own) >= SURE else PROBABLY + value
