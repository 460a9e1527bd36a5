"""The words of each source of attributes, in the one vocabulary (`reidr.data.vocabulary`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from reidr.data.vocabulary import CANNOT_BE_SEEN, COLORS, PHOTO_COLORS, Facts, one_of, several_of
from reidr.errors import DataError

MARKET_UPPER = ("black", "white", "gray", "red", "yellow", "green", "blue", "purple")
MARKET_LOWER = ("black", "white", "gray", "yellow", "green", "blue", "purple", "pink", "brown")

# PETA's words, part by part: (family, value). Words that are not here are named in LEFT_OUT.
PETA_ONE: Mapping[str, tuple[str, str]] = {
    "hairShort": ("hair length", "short"),
    "hairLong": ("hair length", "long"),
    "hairBald": ("hair length", "bald"),
    "hairBlack": ("hair color", "black"),
    "hairBrown": ("hair color", "brown"),
    "hairGrey": ("hair color", "gray"),
    "hairWhite": ("hair color", "white"),
    "hairYellow": ("hair color", "blond"),
    "hairRed": ("hair color", "red"),
    "upperBodyTshirt": ("upper garment", "t-shirt"),
    "upperBodySweater": ("upper garment", "sweater"),
    "upperBodyJacket": ("upper garment", "jacket"),
    "upperBodySuit": ("upper garment", "suit jacket"),
    "upperBodyOther": ("upper garment", "other top"),
    "upperBodyCasual": ("upper style", "casual"),
    "upperBodyFormal": ("upper style", "formal"),
    "upperBodyLongSleeve": ("sleeves", "long"),
    "upperBodyShortSleeve": ("sleeves", "short"),
    "upperBodyNoSleeve": ("sleeves", "none"),
    "upperBodyThinStripes": ("pattern", "striped"),
    "upperBodyThickStripes": ("pattern", "striped"),
    "upperBodyPlaid": ("pattern", "checked"),
    "upperBodyLogo": ("pattern", "logo or print"),
    "lowerBodyTrousers": ("lower garment", "trousers"),
    "lowerBodySuits": ("lower garment", "trousers"),
    "lowerBodyJeans": ("lower garment", "jeans"),
    "lowerBodyShorts": ("lower garment", "shorts"),
    "lowerBodyHotPants": ("lower garment", "shorts"),
    "lowerBodyShortSkirt": ("lower garment", "skirt"),
    "lowerBodyLongSkirt": ("lower garment", "skirt"),
    "lowerBodyCasual": ("lower style", "casual"),
    "lowerBodyFormal": ("lower style", "formal"),
    "footwearShoes": ("shoes", "shoes"),
    "footwearLeatherShoes": ("shoes", "leather shoes"),
    "footwearSneakers": ("shoes", "sneakers"),
    "footwearBoots": ("shoes", "boots"),
    "footwearSandals": ("shoes", "sandals"),
}
PETA_LENGTH: Mapping[str, str] = {
    "lowerBodyTrousers": "long",
    "lowerBodySuits": "long",
    "lowerBodyJeans": "long",
    "lowerBodyLongSkirt": "long",
    "lowerBodyShorts": "short",
    "lowerBodyHotPants": "short",
    "lowerBodyShortSkirt": "short",
    "lowerBodyCapri": "short",
}
PETA_CARRIED: Mapping[str, str] = {
    "carryingNothing": "nothing",
    "carryingBackpack": "backpack",
    "carryingMessengerBag": "shoulder bag",
    "carryingPlasticBags": "plastic bag",
    "carryingLuggageCase": "suitcase",
    "carryingSuitcase": "suitcase",
    "carryingFolder": "folder",
    "carryingUmbrella": "umbrella",
    "carryingBabyBuggy": "stroller",
}
PETA_COLORS: Mapping[str, str] = {"upperBody": "upper colors", "lowerBody": "lower colors", "footwear": "shoe colors"}
PETA_ACCESSORIES: Mapping[str, tuple[str, str, str]] = {  # family, value where there is one, value where there is none
    "accessoryHat": ("headwear", "hat", "none"),
    "accessoryMuffler": ("scarf", "yes", "no"),
    "accessorySunglasses": ("glasses", "yes", "no"),
}
NO_VALUE = "the vocabulary has no value for it"
RARE = "too rare in any source to be learned"
PROTECTED = "gender, age, origin, religion and health are never learned, searched or said"
LEFT_OUT: Mapping[str, str] = {
    "accessoryNothing": "no value of its own: it makes the absence of hat, scarf and glasses known",
    **dict.fromkeys(("accessoryHairBand", "accessoryHeadphone", "accessoryFaceMask"), NO_VALUE),
    **dict.fromkeys(("accessoryKerchief", "accessoryShawl"), "neither hat nor scarf for certain"),
    "carryingOther": "may be anything; it makes the absence of the bags that PETA names known",
    "carryingShoppingTro": RARE,
    **dict.fromkeys(("lowerBodyThinStripes", "lowerBodyThickStripes", "lowerBodyPlaid", "lowerBodyLogo"), RARE),
    **dict.fromkeys(("upperBodyVNeck", "footwearStocking"), NO_VALUE),
    **dict.fromkeys(("hairPurple", "hairGreen", "hairBlue", "hairOrange", "hairPink"), RARE),
}
"""Words of PETA that are no value, and why."""
PETA_PASSED_OVER: Mapping[str, str] = {"personal": PROTECTED, "accessoryMuslim": PROTECTED}
"""Beginnings of words of PETA that are taken out before anything else, and why."""
MARKET_ALONE = frozenset({"backpack", "shoulder_bag", "handbag", "lower_length"})
"""Attributes that Market-1501's table has and the street has not: they tell the two apart."""
MARKET_LEFT_OUT: Mapping[str, str] = {
    "gender": PROTECTED,
    "age": PROTECTED,
    "split": "says whether a person is of the training or of the test half",
    "pid": "the person's number",
}
"""Columns of Market-1501's table that are no value, and why."""
STREET_LEFT_OUT: Mapping[str, str] = {"hat_color": NO_VALUE}
"""Attributes of the rendered street that are no value, and why."""

OTHER_WORDS = frozenset({*PETA_LENGTH, *PETA_CARRIED, *PETA_ACCESSORIES, *LEFT_OUT})
PETA_WORDS: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            *PETA_ONE,
            *PETA_LENGTH,
            *(f"{part}{color.title().replace('Gray', 'Grey')}" for part in PETA_COLORS for color in PHOTO_COLORS),
            *PETA_CARRIED,
            *PETA_ACCESSORIES,
            *LEFT_OUT,
        )
    )
)
"""Every word of PETA but those of `PETA_PASSED_OVER`."""


def facts_of_peta(labels: Collection[str]) -> Facts:
    """PETA's labels of one picture as facts.

    Within a part of which anything is marked, what is not marked is false (its annotators went through the whole list,
    part by part); of a part without a mark nothing is known. Raises DataError for a word that PETA does not have.
    """
    facts: Facts = {}
    marked: dict[str, list[str]] = {}
    for label in labels:
        if label in PETA_ONE:
            family, value = PETA_ONE[label]
            marked.setdefault(family, []).append(value)
        elif label not in OTHER_WORDS and peta_color(label) is None:
            raise DataError(f"{label!r} is no label of PETA")
    for family, values in marked.items():
        facts[family] = one_of(family, *dict.fromkeys(values))
    if "other top" in marked.get("upper garment", ()):
        facts["upper garment"].pop("shirt", None)  # PETA has no word for a shirt: it is one of its "other" tops
    lengths = {PETA_LENGTH[label] for label in labels if label in PETA_LENGTH}
    if len(lengths) == 1:
        facts["lower length"] = one_of("lower length", *lengths)
    if "upper garment" in facts and "pattern" not in facts:
        facts["pattern"] = dict.fromkeys(("striped", "checked", "logo or print"), False)
    for part, family in PETA_COLORS.items():
        found = [color for label in labels if label.startswith(part) and (color := peta_color(label))]
        if found:
            facts[family] = several_of(found, PHOTO_COLORS)
    carried = [PETA_CARRIED[label] for label in labels if label in PETA_CARRIED]
    if carried or "carryingOther" in labels:
        facts["carried"] = several_of(carried, PETA_CARRIED.values())
        if "carryingOther" not in labels:
            facts["carried"]["handbag"] = False  # a handbag is PETA's "other", so that alone leaves it open
    if any(label.startswith("accessory") for label in labels):
        for label, (family, there, absent) in PETA_ACCESSORIES.items():
            facts[family] = one_of(family, there if label in labels else absent)
    return facts


def peta_color(label: str) -> str | None:
    """The colour that a PETA label of a garment or of shoes names; None where it names none."""
    for part in PETA_COLORS:
        if label.startswith(part):
            color = label.removeprefix(part).lower().replace("grey", "gray")
            return color if color in COLORS else None
    return None


def is_yes(attributes: Mapping[str, str], name: str) -> bool:
    """Whether an attribute of yes and no is yes. Raises DataError where it is neither."""
    if attributes[name] not in ("yes", "no"):
        raise DataError(f"{name}: no value {attributes[name]!r}; there are: yes, no")
    return attributes[name] == "yes"


def checked_color(color: str) -> str:
    """A colour of garments as it is. Raises DataError where the vocabulary does not have it."""
    if color not in COLORS:
        raise DataError(f"no color {color!r}; there are: {', '.join(COLORS)}")
    return color


def facts_of_market(attributes: Mapping[str, str]) -> Facts:
    """A row of Market-1501's table, as `reidr.data.attributes.load_market_attributes` reads it, as facts.

    The table marks at most one colour a garment; where it marks none, nothing is known of the colours. Columns that
    are absent, as a manifest may leave them out, are unknown. Raises DataError for a value that is not in the table.
    """
    facts: Facts = {}
    if "hat" in attributes:
        facts["headwear"] = one_of("headwear", "hat" if is_yes(attributes, "hat") else "none")
    for family, key, others in (
        ("hair length", "hair_length", ("bald",)),  # no word for bald: "short" may be
        ("sleeves", "sleeve", ("none",)),  # nor for no sleeves
        ("lower length", "lower_length", ()),
    ):
        if key in attributes:
            facts[family] = one_of(family, attributes[key])
            if attributes[key] == "short":
                facts[family] = {value: true for value, true in facts[family].items() if value not in others}
    kind, length = attributes.get("lower_kind"), attributes.get("lower_length")
    if kind == "dress":
        facts["lower garment"] = one_of("lower garment", "skirt")
    elif kind == "trousers" and length == "short":
        facts["lower garment"] = one_of("lower garment", "shorts")
    elif kind == "trousers" and length == "long":
        facts["lower garment"] = one_of("lower garment", "trousers", "jeans")  # the table does not tell them apart
    for family, key, listed in (
        ("upper colors", "upper_color", MARKET_UPPER),
        ("lower colors", "lower_color", MARKET_LOWER),
    ):
        if attributes.get(key, "other") != "other":
            facts[family] = several_of([checked_color(attributes[key])], listed)
    bags = {"backpack": "backpack", "shoulder bag": "shoulder_bag", "handbag": "handbag"}
    listed_bags = [value for value, key in bags.items() if key in attributes]
    carried = [value for value in listed_bags if is_yes(attributes, bags[value])]
    if listed_bags:
        facts["carried"] = several_of(carried, listed_bags)
    if carried:
        facts["carried"]["nothing"] = False
    return facts


STREET_COLOR: Mapping[str, str] = {"navy": "blue"}
STREET_PATTERN: Mapping[str, str] = {
    "plain": "plain",
    "horizontal stripes": "striped",
    "vertical stripes": "striped",
    "checked": "checked",
    "two-tone": "two-tone",
    "print": "logo or print",
}
NOT_VISIBLE = "not visible"


def facts_of_street(attributes: Mapping[str, str]) -> Facts:
    """A drawn crop's true attributes as facts; what the picture hides is said to be hidden.

    Raises DataError for a value that the street does not draw.
    """
    facts: Facts = {}
    hidden = {CANNOT_BE_SEEN: True}

    def known(name: str) -> str | None:
        value = attributes.get(name)
        return None if value in (None, NOT_VISIBLE) else value

    def choice(family: str, name: str, words: Mapping[str, str] | None = None) -> None:
        if attributes.get(name) == NOT_VISIBLE:
            facts[family] = dict(hidden)
        elif (value := known(name)) is not None:
            if words is not None and value not in words:
                raise DataError(f"{name}: no value {value!r}; there are: {', '.join(words)}")
            facts[family] = one_of(family, words[value] if words is not None else value)

    def colors(family: str, *names: str) -> None:
        if attributes.get(names[0]) == NOT_VISIBLE:
            facts[family] = dict(hidden)
            return
        values = [STREET_COLOR.get(value, value) for name in names if (value := known(name)) not in (None, "none")]
        if values:
            facts[family] = several_of([checked_color(value) for value in values], COLORS)

    choice("headwear", "hat", {"none": "none", "cap": "hat", "beanie": "hat", "no": "none", "yes": "hat", "hat": "hat"})
    choice("hair length", "hair_length")
    choice("hair color", "hair_color")
    choice("sleeves", "sleeve")
    choice("pattern", "upper_pattern", STREET_PATTERN)
    choice("open jacket", "jacket", {"none": "no", "open": "yes"})
    choice("lower garment", "lower_kind")
    choice("lower length", "lower_kind", {"trousers": "long", "shorts": "short", "skirt": "short"})
    colors("upper colors", "upper_color", "pattern_color")
    colors("jacket colors", "jacket_color")
    colors("lower colors", "lower_color")
    colors("shoe colors", "shoes_color")
    colors("bag colors", "bag_color")
    if attributes.get("bag") == NOT_VISIBLE:
        facts["carried"] = dict(hidden)
    elif (bag := known("bag")) is not None:
        drawn = ("nothing", "backpack", "shoulder bag", "handbag")
        facts["carried"] = one_of("carried", "nothing" if bag == "none" else bag)
        facts["carried"] = {value: true for value, true in facts["carried"].items() if value in drawn}
    return facts


def facts_of(attributes: Mapping[str, str]) -> Facts:
    """The facts of a crop's `attributes`, whichever source they are of; empty where there are none."""
    if "peta" in attributes:
        return facts_of_peta(attributes["peta"].split())
    if not MARKET_ALONE.isdisjoint(attributes):
        return facts_of_market(attributes)
    return facts_of_street(attributes)
