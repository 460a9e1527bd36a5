"""One vocabulary for photos and the street: every row that Market-1501's table can hold is joined rightly."""

from __future__ import annotations

from itertools import product

import pytest

from reidr.data.attributes import TWO_VALUED, common_attributes, row_attributes
from reidr.data.synthetic.person.appearance import ATTRIBUTES

COLUMNS = tuple(TWO_VALUED)


def row(*numbers: int, upper: str | None = "upred", lower: str | None = "downblue") -> dict[str, str]:
    marked = {column: str(number) for column, number in zip(COLUMNS, numbers, strict=True)}
    return marked | {color: "2" for color in (upper, lower) if color is not None}


def by_hand(up: int, down: int, clothes: int, hair: int, hat: int, backpack: int, bag: int, handbag: int) -> dict:
    """The table's own legend (Lin et al. 2019): 1 and 2 of each column, in the order of `COLUMNS`."""
    if clothes == 1:
        kind = "skirt"
    elif down == 2:
        kind = "shorts"
    else:
        kind = "trousers"
    carried = "none"
    for name, marked in (("handbag", handbag), ("shoulder bag", bag), ("backpack", backpack)):
        if marked == 2:
            carried = name  # the last one wins: backpack before shoulder bag before handbag
    return {
        "upper_color": "red",
        "lower_color": "blue",
        "sleeve": "long" if up == 1 else "short",
        "lower_kind": kind,
        "hair_length": "short" if hair == 1 else "long",
        "hat": "none" if hat == 1 else "hat",
        "bag": carried,
    }


def test_the_columns_are_those_the_rows_below_are_written_in() -> None:
    assert COLUMNS == ("up", "down", "clothes", "hair", "hat", "backpack", "bag", "handbag")


def test_all_256_rows_are_joined_as_by_hand_and_say_only_what_the_street_can_say() -> None:
    for numbers in product((1, 2), repeat=len(COLUMNS)):
        joined = common_attributes(row_attributes(row(*numbers)))
        assert joined == by_hand(*numbers)
        for name, value in joined.items():
            assert value in ATTRIBUTES[name] or (name, value) == ("hat", "hat")
        assert common_attributes(joined) == joined  # joined once, joined for good


@pytest.mark.parametrize("upper", [None, "uppurple"])
@pytest.mark.parametrize("lower", [None, "downpink"])
def test_unmarked_and_mixed_colours_are_unknown_and_not_a_colour(upper: str | None, lower: str | None) -> None:
    joined = common_attributes(row_attributes(row(*[1] * 8, upper=upper, lower=lower)))
    assert joined.get("upper_color") == (upper and "purple")
    assert joined.get("lower_color") == (lower and "pink")
    mixed = row(*[1] * 8) | {"upblack": "2"}
    assert "upper_color" not in common_attributes(row_attributes(mixed))


def test_the_streets_facts_pass_unchanged_and_the_argument_stays_as_it_was() -> None:
    for values in zip(*(values * 13 for values in ATTRIBUTES.values()), strict=False):
        street = dict(zip(ATTRIBUTES, values, strict=True))
        assert common_attributes(street) == street
    hidden = dict.fromkeys(ATTRIBUTES, "not visible")
    assert common_attributes(hidden) == hidden
    market = row_attributes(row(*[2] * 8))
    before = dict(market)
    common_attributes(market)
    assert market == before
    assert common_attributes({}) == {}
