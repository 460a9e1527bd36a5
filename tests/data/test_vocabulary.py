"""The one vocabulary: each source's words by hand, and that unknown is never "no"."""

import pytest

from reidr.data.attribute_sources import (
    PETA_CARRIED,
    PETA_LENGTH,
    PETA_ONE,
    facts_of,
    facts_of_market,
    facts_of_peta,
    facts_of_street,
)
from reidr.data.synthetic.person.appearance import ATTRIBUTES, NOT_VISIBLE
from reidr.data.vocabulary import CANNOT_BE_SEEN, FAMILIES, VALUES, one_of, values_true
from reidr.errors import DataError

MARKET = {
    "sleeve": "short",
    "lower_length": "short",
    "lower_kind": "trousers",
    "hair_length": "long",
    "hat": "no",
    "backpack": "yes",
    "shoulder_bag": "no",
    "handbag": "no",
    "upper_color": "red",
    "lower_color": "other",
}


def test_a_row_of_market_by_hand():
    facts = facts_of_market(MARKET)
    assert values_true(facts, "lower garment") == ("shorts",)
    assert values_true(facts, "upper colors") == ("red",)
    assert facts["upper colors"]["white"] is False
    assert "pink" not in facts["upper colors"]  # the table has no pink top: unknown
    assert "lower colors" not in facts  # "other": mixed or unlisted
    assert facts["carried"] == {"backpack": True, "shoulder bag": False, "handbag": False, "nothing": False}


def test_long_trousers_of_market_may_be_jeans():
    facts = facts_of_market(MARKET | {"lower_length": "long"})
    assert facts["lower garment"] == {"shorts": False, "skirt": False}


def test_nothing_of_markets_three_bags_is_not_nothing_carried():
    facts = facts_of_market(MARKET | {"backpack": "no"})
    assert "nothing" not in facts["carried"]  # it may be a plastic bag


def test_a_picture_of_peta_by_hand():
    garments = ["upperBodyWhite", "upperBodyGrey", "upperBodyLongSleeve", "upperBodyOther", "lowerBodyCapri"]
    facts = facts_of_peta([*garments, "accessoryHat", "carryingOther", "hairShort"])
    assert values_true(facts, "upper colors") == ("white", "gray")
    assert facts["upper colors"]["black"] is False
    assert "beige" not in facts["upper colors"]
    assert values_true(facts, "lower length") == ("short",)
    assert "lower garment" not in facts  # capri is a length here, no kind
    assert facts["pattern"] == {"striped": False, "checked": False, "logo or print": False}
    assert values_true(facts, "headwear") == ("hat",)
    assert values_true(facts, "scarf") == ("no",)
    assert facts["carried"]["backpack"] is False
    assert "handbag" not in facts["carried"]  # "other" may be one
    assert "shoes" not in facts
    assert "lower colors" not in facts


def test_no_accessory_says_so_of_each():
    facts = facts_of_peta(["accessoryNothing", "carryingNothing"])
    assert values_true(facts, "headwear") == ("none",)
    assert values_true(facts, "glasses") == ("no",)
    assert values_true(facts, "carried") == ("nothing",)
    assert facts["carried"]["handbag"] is False


def test_a_word_peta_does_not_have_is_refused():
    with pytest.raises(DataError, match="upperBodyPlayed"):
        facts_of_peta(["upperBodyPlayed"])


def test_every_word_of_peta_means_a_value_of_the_vocabulary():
    for family, value in PETA_ONE.values():
        assert value in FAMILIES[family].values
    assert set(PETA_CARRIED.values()) <= set(FAMILIES["carried"].values)
    assert set(PETA_LENGTH.values()) <= set(FAMILIES["lower length"].values)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_value_of_the_street_has_a_place_and_hidden_is_said(name):
    for value in ATTRIBUTES[name]:
        for family, known in facts_of_street({name: value}).items():
            assert set(known) <= set(FAMILIES[family].values)
    hidden = facts_of_street({name: NOT_VISIBLE})
    assert all(known == {CANNOT_BE_SEEN: True} for known in hidden.values())


def test_a_striped_top_has_both_colors_and_navy_is_blue():
    facts = facts_of_street({"upper_color": "navy", "pattern_color": "white", "upper_pattern": "checked"})
    assert values_true(facts, "upper colors") == ("white", "blue")
    assert values_true(facts, "pattern") == ("checked",)


def test_what_a_source_has_no_word_for_stays_unknown():
    short = facts_of_market(MARKET | {"hair_length": "short"})
    assert short["hair length"] == {"short": True, "long": False}  # a bald person is marked so too
    assert short["sleeves"] == {"short": True, "long": False}  # and a person without sleeves
    assert facts_of_market(MARKET | {"sleeve": "long"})["sleeves"]["none"] is False
    assert "shirt" not in facts_of_peta(["upperBodyOther"])["upper garment"]
    assert facts_of_peta(["upperBodyTshirt"])["upper garment"]["shirt"] is False
    for family in ("glasses", "scarf", "shoes", "pattern", "open jacket", "hair color", "shoe colors", "bag colors"):
        assert family not in facts_of_market(MARKET)
    for value in ("suitcase", "umbrella", "plastic bag"):
        assert value not in facts_of_market(MARKET)["carried"]
        assert value not in facts_of_street({"bag": "none"})["carried"]


def test_a_part_of_the_table_gives_what_it_says_and_no_more():
    assert facts_of({"backpack": "yes"}) == {"carried": {"backpack": True, "nothing": False}}
    assert facts_of({"backpack": "no", "lower_length": "long"}) == {
        "carried": {"backpack": False},
        "lower length": {"long": True, "short": False},
    }
    assert facts_of({"upper_color": "not visible", "my own": "thing"}) == {"upper colors": {CANNOT_BE_SEEN: True}}


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"upper_color": "crimson"}, "no color 'crimson'"),
        ({"hat": "fedora"}, "hat: no value 'fedora'; there are: none, cap, beanie"),
        ({"handbag": "red"}, "handbag: no value 'red'; there are: yes, no"),
        ({"bag": "trolley"}, "carried: no value 'trolley'"),
        ({"hair_length": "medium"}, "hair length: no value 'medium'"),
        ({"backpack": "yes", "upper_color": "crimson"}, "no color 'crimson'"),
    ],
)
def test_a_value_that_no_source_has_is_named(attributes, message):
    with pytest.raises(DataError, match=message):
        facts_of(attributes)


def test_sources_are_told_apart():
    assert values_true(facts_of({"peta": "hairLong upperBodyRed"}), "hair length") == ("long",)
    assert values_true(facts_of(MARKET), "carried") == ("backpack",)
    assert values_true(facts_of({"bag": "handbag"}), "carried") == ("handbag",)
    assert facts_of({}) == {}


def test_nothing_protected_is_a_value():
    forbidden = ("male", "female", "man", "woman", "age", "old", "young", "adult", "child", "skin", "religion")
    assert not [pair for pair in VALUES for word in forbidden if word in " ".join(pair).split()]


def test_one_of_names_what_is_wrong():
    with pytest.raises(DataError, match="no value 'cape'"):
        one_of("upper garment", "cape")
