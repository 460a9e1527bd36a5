"""Body regions in words: which attributes each has, and how what is known of them is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

UNSEEN = "not visible"
# Values that do not read well before a noun, as adjectives; `value_of_adjective` is the way back.
ADJECTIVES = {
    "horizontal stripes": "horizontally striped",
    "vertical stripes": "vertically striped",
    "print": "printed",
}
Known = Mapping[str, str]


@dataclass(frozen=True)
class Region:
    """A body region.

    Attributes:
        name: as in `reasoning.types.Region`. plural: whether that name is. verb: "wears", "has" or "carries".
        attributes: what it is made of. say: known and visible attributes in words, or None where they say nothing.
    """

    name: str
    plural: bool
    verb: str
    attributes: tuple[str, ...]
    say: Callable[[Known], str | None]

    def visible(self, attributes: Known) -> dict[str, str]:
        """This region's attributes that are known and can be seen."""
        return {n: attributes[n] for n in self.attributes if attributes.get(n, UNSEEN) != UNSEEN}

    def hidden(self, attributes: Known) -> bool:
        """Whether something of this region is known to be out of sight; False where nothing is known."""
        return any(attributes.get(name) == UNSEEN for name in self.attributes)


def article(words: str) -> str:
    """`words` with a or an before them."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def joined(*words: str | None) -> str:
    """The words that are there, with spaces between."""
    return " ".join(word for word in words if word)


def value_of_adjective(word: str) -> str:
    """The attribute's value that `word` says; other words come back as they are."""
    return next((value for value, adjective in ADJECTIVES.items() if adjective == word), word)


def say_upper(known: Known) -> str | None:
    color, pattern = known.get("upper_color"), known.get("upper_pattern")
    if color is None:
        return None
    top = article(joined(color, pattern and ADJECTIVES.get(pattern, pattern), "top"))
    jacket = known.get("jacket_color", "none")
    return top if jacket == "none" else f"{top} under {article(jacket)} jacket"


def say_sleeves(known: Known) -> str | None:
    return f"{known['sleeve']} sleeves" if "sleeve" in known else None


def say_lower(known: Known) -> str | None:
    kind, color = known.get("lower_kind"), known.get("lower_color")
    if kind is None:
        return None if color is None else f"{color} clothing on the legs"
    return article(joined(color, kind)) if kind == "skirt" else joined(color, kind)


def say_shoes(known: Known) -> str | None:
    return f"{known['shoes_color']} shoes" if "shoes_color" in known else None


def say_hair(known: Known) -> str | None:
    if "hair_length" not in known:
        return None
    return joined(known["hair_length"], known.get("hair_color"), "hair")


def say_headwear(known: Known) -> str | None:
    if "hat" not in known:
        return None
    return "no hat" if known["hat"] == "none" else article(known["hat"])


def say_bag(known: Known) -> str | None:
    if "bag" not in known:
        return None
    color = known.get("bag_color")
    return "no bag" if known["bag"] == "none" else article(joined(color, known["bag"]))


REGIONS = (
    Region("upper clothing", False, "wears", ("upper_color", "upper_pattern", "jacket_color"), say_upper),
    Region("sleeves", True, "has", ("sleeve",), say_sleeves),
    Region("lower clothing", False, "wears", ("lower_kind", "lower_color"), say_lower),
    Region("shoes", True, "wears", ("shoes_color",), say_shoes),
    Region("hair", False, "has", ("hair_length", "hair_color"), say_hair),
    Region("headwear", False, "wears", ("hat",), say_headwear),
    Region("bag", False, "carries", ("bag", "bag_color"), say_bag),
)
