"""Every source in the words of the one vocabulary: each row of Market-1501's table, the street, and PETA's labels."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from reidr.data.attributes import (
    AND,
    EITHER,
    TWO_VALUED,
    UNSEEN,
    common_attributes,
    row_attributes,
    same_value,
    states,
)
from reidr.data.synthetic.person.appearance import ATTRIBUTES
from reidr.data.vocabulary import FAMILIES

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
        kind = "trousers / jeans"  # the table does not tell them apart
    bags = [
        name for name, marked in (("backpack", backpack), ("shoulder bag", bag), ("handbag", handbag)) if marked == 2
    ]
    return {
        "upper colors": "red",
        "lower colors": "blue",
        "sleeves": "long" if up == 1 else "short",
        "lower garment": kind,
        "lower length": "long" if down == 1 else "short",
        "hair length": "short" if hair == 1 else "long",
        "headwear": "none" if hat == 1 else "hat",
        "carried": " and ".join(bags) or "nothing",
    }


def in_the_vocabulary(known: dict[str, str]) -> bool:
    return all(
        each in (*FAMILIES[name].values, UNSEEN) or (name, each) == ("jacket colors", "none")
        for name, value in known.items()
        for part in value.split(EITHER)
        for each in part.split(AND)
    )


def test_the_columns_are_those_the_rows_below_are_written_in() -> None:
    assert COLUMNS == ("up", "down", "clothes", "hair", "hat", "backpack", "bag", "handbag")


def test_all_256_rows_are_joined_as_by_hand_and_say_only_what_the_vocabulary_has() -> None:
    for numbers in product((1, 2), repeat=len(COLUMNS)):
        joined = common_attributes(row_attributes(row(*numbers)))
        assert joined == by_hand(*numbers)
        assert in_the_vocabulary(joined)
        assert common_attributes(joined) == joined  # joined once, joined for good


@pytest.mark.parametrize("upper", [None, "uppurple"])
@pytest.mark.parametrize("lower", [None, "downpink"])
def test_unmarked_and_mixed_colours_are_unknown_and_not_a_colour(upper: str | None, lower: str | None) -> None:
    joined = common_attributes(row_attributes(row(*[1] * 8, upper=upper, lower=lower)))
    assert joined.get("upper colors") == (upper and "purple")
    assert joined.get("lower colors") == (lower and "pink")
    mixed = row(*[1] * 8) | {"upblack": "2"}
    assert "upper colors" not in common_attributes(row_attributes(mixed))


def test_the_street_is_joined_as_by_hand() -> None:
    drawn = {
        "upper_color": "navy", "upper_pattern": "vertical stripes", "pattern_color": "white", "sleeve": "long",
        "jacket": "open", "jacket_color": "gray", "lower_color": "beige", "lower_kind": "shorts",
        "shoes_color": UNSEEN, "bag": "shoulder bag", "bag_color": "red", "hat": "beanie", "hat_color": "pink",
        "hair_length": "long", "hair_color": "blond",
    }  # fmt: skip
    assert set(drawn) == set(ATTRIBUTES)
    assert common_attributes(drawn) == {
        "upper colors": "white and blue", "pattern": "striped", "sleeves": "long", "jacket colors": "gray",
        "lower colors": "beige", "lower garment": "shorts", "lower length": "short", "shoe colors": UNSEEN,
        "carried": "shoulder bag", "bag colors": "red", "headwear": "hat", "hair length": "long",
        "hair color": "blond",
    }  # fmt: skip
    bare = {"pattern_color": "none", "jacket": "none", "jacket_color": "none", "bag": "none", "bag_color": "none"}
    # No second colour, no bag that has one, and it is known that there is no jacket.
    assert common_attributes({"upper_color": "red", "hat": "none", **bare}) == {
        "upper colors": "red", "jacket colors": "none", "carried": "nothing", "headwear": "none"
    }  # fmt: skip
    hidden = common_attributes(dict.fromkeys(ATTRIBUTES, UNSEEN))
    assert set(hidden.values()) == {UNSEEN}
    assert "open jacket" not in hidden
    assert {"upper colors", "jacket colors", "carried", "bag colors", "hair length"} <= set(hidden)


def test_whatever_the_street_draws_is_said_in_the_vocabulary_and_the_argument_stays_as_it_was() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        street = {
            name: UNSEEN if random.random() < 0.1 else str(random.choice(values))
            for name, values in ATTRIBUTES.items()
            if random.random() < 0.9
        }
        before = dict(street)
        joined = common_attributes(street)
        assert street == before
        assert in_the_vocabulary(joined)
        assert common_attributes(joined) == joined
        for ours, theirs in (("sleeve", "sleeves"), ("hair_length", "hair length"), ("lower_kind", "lower garment")):
            assert joined.get(theirs) == street.get(ours)
    assert common_attributes({}) == {}


@pytest.mark.parametrize(
    ("labels", "known"),
    [
        (
            "upperBodyTshirt upperBodyRed upperBodyWhite lowerBodyJeans accessoryHat hairLong",
            {
                "upper garment": "t-shirt", "upper colors": "white and red", "pattern": "plain / two-tone",
                "lower garment": "jeans", "lower length": "long", "headwear": "hat", "scarf": "no", "glasses": "no",
                "hair length": "long",
            },
        ),
        # A bag that is not named: which ones it is not is known, and that is nothing to say.
        ("carryingOther", {}),
        ("carryingBackpack carryingPlasticBags", {"carried": "backpack and plastic bag"}),
        ("carryingNothing", {"carried": "nothing"}),
        ("upperBodyThinStripes upperBodyOther", {"pattern": "striped", "upper garment": "other top"}),
        ("lowerBodyCapri", {"lower length": "short"}),
        ("hairBald", {"hair length": "bald"}),
        ("upperBodyNoSleeve", {"sleeves": "none"}),
        ("", {}),
    ],
)  # fmt: skip
def test_petas_labels_are_joined_as_by_hand(labels: str, known: dict[str, str]) -> None:
    assert common_attributes({"peta": labels}) == known
    assert in_the_vocabulary(known)


@pytest.mark.parametrize("attributes", [{"upper_color": "mauve"}, {"weather": "rain"}, {"lower_kind": "kilt"}])
def test_values_and_names_that_no_source_has_are_left_out_and_hide_no_other(attributes: dict[str, str]) -> None:
    assert common_attributes(attributes) == {}
    assert common_attributes({"sleeve": "long", **attributes}) == {"sleeves": "long"}
    assert common_attributes({"sleeve": "long", "handbag": "yes", **attributes}) == {
        "sleeves": "long", "carried": "handbag"
    }  # fmt: skip
    assert common_attributes({"sleeves": "long", **attributes}) == {"sleeves": "long"}


STATES = [
    # said, known, whether it is true; None where it is open
    ("red", "red", True),
    ("red", "blue", False),
    ("red", "red and white", True),  # nobody says that there is nothing else
    ("white and red", "red and white", True),
    ("red and white", "red", False),
    ("red and blue", "red and white", False),
    ("trousers", "trousers / jeans", None),
    ("trousers / jeans", "trousers / jeans", None),
    ("skirt", "trousers / jeans", False),
    ("trousers / skirt", "trousers / jeans", False),
    ("nothing", "backpack", False),
    ("hat", "none", False),
]


@pytest.mark.parametrize(("said", "known", "true"), STATES)
def test_whether_what_is_said_is_true_of_what_is_known(said: str, known: str, true: bool | None) -> None:
    assert states(said, known) is true


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("red", "red", True),
        ("red", "red and white", False),
        ("white and red", "red and white", True),
        ("trousers / jeans", "trousers / jeans", None),  # one may wear trousers and the other jeans
        ("trousers / jeans", "jeans", None),
        ("trousers / jeans", "skirt", False),
        ("plain / two-tone", "striped / checked", False),
    ],
)
def test_whether_two_values_are_one(one: str, other: str, same: bool | None) -> None:
    assert same_value(one, other) is same
    assert same_value(other, one) is same
