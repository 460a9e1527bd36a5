"""Counterfactual twins: drawn crops once more, with one thing about the person changed and all else as it was.

In a street, as in photos, things go together: who wears this top wears that skirt. A reader taught on such crops may
answer from one for the other. A twin differs from its original in one thing only, so nothing else can tell it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from reidr.data.synthetic.people import DISTINGUISHING, choose, with_other
from reidr.data.synthetic.person.palette import LOWER_COLORS, UPPER_COLORS
from reidr.data.synthetic.plan import Sighting, plan_street
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.types import Crop

# Colours of the large garments count for more: they are what a witness is asked first.
FACTS = (*DISTINGUISHING, "upper_color", "lower_color")
WEIGHTS = (*(1.0 for _ in DISTINGUISHING), 3.0, 3.0)
MARK = "~"  # ends the ids and persons of twins


def twin_of(random: np.random.Generator, sighting: Sighting) -> Sighting:
    """The same moment, with one fact about the person changed: `render` draws the twin of `sighting`'s crop."""
    person = replace(sighting.person, outfits=(sighting.outfit,))
    fact = choose(random, FACTS, WEIGHTS)
    now = sighting.outfit
    if fact == "upper_color":
        colors = [color for color in UPPER_COLORS if color not in (now.upper_color, now.pattern_color)]
        person = replace(person, outfits=(replace(now, upper_color=choose(random, colors)),))
    elif fact == "lower_color":
        colors = [color for color in LOWER_COLORS if color != now.lower_color]
        person = replace(person, outfits=(replace(now, lower_color=choose(random, colors)),))
    else:
        person = with_other(random, person, fact)
    return replace(sighting, person=person, outfit=person.outfits[0])


def street_twins(settings: StreetSettings, share: float) -> Iterator[Crop]:
    """Twins of a `share` of the street's training crops, drawn in memory, by the street's own seed.

    A twin's id and person are those of its original with `MARK` after them; its attributes are its own.
    """
    random = np.random.default_rng([settings.seed, 90])
    for sighting in plan_street(settings).sightings:
        if sighting.split != "train" or random.random() >= share:
            continue
        crop = twin_of(random, sighting).render()
        yield Crop(
            id=sighting.image + MARK,
            image=crop.image,
            person=sighting.person.label + MARK,
            camera=sighting.camera.label,
            attributes=dict(crop.attributes),
        )
