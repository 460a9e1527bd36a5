"""Facts of people: checked values, and look-alikes who can still be told apart."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from reidr.data.synthetic import ATTRIBUTES, Body, Outfit, Person, true_attributes
from reidr.data.synthetic.people import DISTINGUISHING, sample_look_alikes, with_change_of_clothes, with_other
from reidr.data.synthetic.person.palette import COLORS, shaded
from reidr.errors import DataError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"upper_color": "mauve"}, "upper_color is 'mauve'; it must be one of black"),
        ({"lower_kind": "kilt"}, "lower_kind is 'kilt'"),
        ({"upper_pattern": "print"}, "upper_pattern is 'print' but pattern_color is 'none'"),
        ({"bag_color": "red"}, "bag is 'none' but bag_color is 'red'"),
        ({"hat": "cap"}, "hat is 'cap' but hat_color is 'none'"),
    ],
)
def test_an_outfit_that_cannot_be_drawn_is_refused(change: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Outfit(**change)


def test_a_person_needs_known_hair_and_an_outfit() -> None:
    with pytest.raises(DataError, match="hair_length is 'plaited'"):
        Person("1", Body(), "plaited", "brown", (Outfit(),))
    with pytest.raises(DataError, match="person 1: needs at least one outfit"):
        Person("1", Body(), "short", "brown", ())


def test_true_attributes_name_every_attribute_and_nothing_of_the_body() -> None:
    person = Person("1", Body(), "long", "red", (Outfit(jacket_color="navy"),))
    facts = true_attributes(person, person.outfits[0])
    assert set(facts) == set(ATTRIBUTES)
    assert all(facts[name] in values for name, values in ATTRIBUTES.items())
    assert facts["jacket"] == "open"
    assert not set(facts) & {field.name for field in fields(Body)}


@pytest.mark.parametrize("seed", range(20))
def test_look_alikes_share_their_colours_and_differ_pairwise(seed: int) -> None:
    group = sample_look_alikes(np.random.default_rng(seed), ["1", "2", "3", "4", "5"])
    facts = [true_attributes(person, person.outfits[0]) for person in group]
    assert [person.label for person in group] == ["1", "2", "3", "4", "5"]
    assert len({(f["upper_color"], f["lower_color"]) for f in facts}) == 1
    for i, one in enumerate(facts):
        # At most two telling facts away from the first, and each moves at most two attributes (a thing and its colour).
        assert sum(one[name] != facts[0][name] for name in one) <= 4
        assert all(one != other for other in facts[:i])


@pytest.mark.parametrize("fact", DISTINGUISHING)
def test_a_telling_fact_really_changes(fact: str) -> None:
    random = np.random.default_rng(5)
    for _ in range(20):
        person = sample_look_alikes(random, ["1"])[0]
        other = with_other(random, person, fact)
        assert true_attributes(other, other.outfits[0]) != true_attributes(person, person.outfits[0])


def test_a_change_of_clothes_changes_the_clothes_and_not_the_person() -> None:
    random = np.random.default_rng(2)
    for _ in range(30):
        before = sample_look_alikes(random, ["1"])[0]
        after = with_change_of_clothes(random, before)
        first, second = after.outfits
        assert (first, second.label) == (before.outfits[0], "2")
        assert (first.upper_color, first.lower_color) != (second.upper_color, second.lower_color)
        assert replace(after, outfits=before.outfits) == before


def test_shades_stay_between_black_and_white() -> None:
    for color in COLORS.values():
        assert shaded(color, -1) == (0, 0, 0)
        assert shaded(color, 1) == (255, 255, 255)
        assert shaded(color, 0) == color
