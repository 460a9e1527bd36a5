"""Twins differ from their originals in one thing, in the facts and in the pixels."""

from __future__ import annotations

from collections import Counter

import numpy as np

from reidr.data.synthetic.person.appearance import true_attributes
from reidr.data.synthetic.plan import plan_street
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import street_crops
from reidr.data.synthetic.twins import FACTS, street_twins, twin_of

STREET = StreetSettings(seed=4, train_people=6, crops_per_camera=1, distractors=0, junk=0)
# What is told by more than one attribute.
TOGETHER = {
    "pattern": {"upper_pattern", "pattern_color"},
    "jacket": {"jacket", "jacket_color"},
    "bag": {"bag", "bag_color"},
    "hat": {"hat", "hat_color"},
}


def test_one_fact_changes_and_every_fact_comes_up() -> None:
    random = np.random.default_rng(0)
    (sighting, *_) = plan_street(STREET).sightings
    before = true_attributes(sighting.person, sighting.outfit)
    seen: Counter[str] = Counter()
    for _ in range(300):
        twin = twin_of(random, sighting)
        after = true_attributes(twin.person, twin.outfit)
        changed = {name for name in before if before[name] != after[name]}
        assert changed, "a twin that is the same teaches nothing"
        assert len(changed) == 1 or changed in TOGETHER.values(), changed
        seen.update(changed)
    assert {"upper_color", "lower_color", "sleeve", "upper_pattern", "hat", "bag", "lower_kind"} <= set(seen)
    assert seen["upper_color"] > seen["sleeve"]
    assert len(FACTS) == 11


def test_a_repainted_garment_leaves_the_rest_of_the_scene() -> None:
    random = np.random.default_rng(1)
    for sighting in plan_street(STREET).sightings[:12]:
        twin = twin_of(random, sighting)
        if twin.outfit.shoes_color == sighting.outfit.shoes_color:
            continue
        one, other = sighting.render(), twin.render()
        assert (one.parts == other.parts).all()
        moved = (one.scene != other.scene).any(axis=2)
        assert moved.mean() < 0.15


def test_a_share_of_the_crops_has_twins_named_after_them() -> None:
    plain = {crop.id: crop for crop in street_crops(STREET, "train")}
    twins = list(street_twins(STREET, 0.5))
    assert 0.3 < len(twins) / len(plain) < 0.7
    for twin in twins:
        original = plain[twin.id.removesuffix("~")]
        assert twin.person == f"{original.person}~"
        assert twin.camera == original.camera
    again = list(street_twins(STREET, 0.5))
    assert [t.attributes for t in again] == [t.attributes for t in twins]
    assert not list(street_twins(STREET, 0.0))
