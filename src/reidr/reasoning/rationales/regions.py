"""Body regions in words: which attributes each has, and how what is known of them is said.

Attributes are families of the one vocabulary (`reidr.data.vocabulary`) with their values as words: "red", "black and
white" where several are true, "trousers / jeans" where it is one of them, "not visible", and "probably red" of what is
not sure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reidr.data.attributes import EITHER
from reidr.data.attributes import UNSEEN as UNSEEN

PROBABLY = "probably "
# Values that do not read well before a noun, as adjectives; `value_of_adjective` is the way back.
ADJECTIVES = {"logo or print": "printed"}
TOPS = ("t-shirt", "shirt", "sweater", "jacket", "suit jacket")
SHOES = ("leather shoes", "sneakers", "boots", "sandals")
Known = Mapping[str, str]


@dataclass(frozen=True)
class Region:
    """A body region.

    Attributes:
        name: as in `reasoning.types.Region`. plural: whether that name is. verb: "wears", "has" or "carries".
        attributes: what it is made of. words: known, visible and sure attributes in words, or None where they say
            nothing.
    """

    name: str
    plural: bool
    verb: str
    attributes: tuple[str, ...]
    words: Callable[[Known], str | None]

    def visible(self, attributes: Known) -> dict[str, str]:
        """This region's attributes that are known and can be seen."""
        return {n: attributes[n] for n in self.attributes if attributes.get(n, UNSEEN) != UNSEEN}

    def hidden(self, attributes: Known) -> bool:
        """Whether something of this region is known to be out of sight; False where nothing is known."""
        return any(attributes.get(name) == UNSEEN for name in self.attributes)

    def say(self, visible: Known) -> str | None:
        """Known and visible attributes in words, "probably" before them where any is not sure; None: nothing to say."""
        said = {name: certain(own) for name, own in visible.items() if EITHER not in own or name == "lower garment"}
        words = self.words(said)
        unsure = any(value.startswith(PROBABLY) for value in visible.values())
        return f"{PROBABLY}{words}" if words and unsure else words


def certain(value: str) -> str:
    """The value without a "probably" before it."""
    return value.removeprefix(PROBABLY)


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
    colors, pattern, garment = (known.get(name) for name in ("upper colors", "pattern", "upper garment"))
    named = garment if garment in TOPS else None
    pattern = None if pattern is None or EITHER in pattern else pattern
    if colors is None and named is None:
        return None
    top = article(joined(colors, pattern and ADJECTIVES.get(pattern, pattern), named or "top"))
    jacket = known.get("jacket colors", "none")
    return top if jacket == "none" else f"{top} under {article(jacket)} jacket"


def say_sleeves(known: Known) -> str | None:
    if "sleeves" not in known:
        return None
    return "no sleeves" if known["sleeves"] == "none" else f"{known['sleeves']} sleeves"


def say_lower(known: Known) -> str | None:
    kind, colors = known.get("lower garment"), known.get("lower colors")
    if kind is not None and EITHER in kind:
        kind = "trousers" if "trousers" in kind.split(EITHER) else None
    if kind is None:
        return None if colors is None else f"{colors} clothing on the legs"
    return article(joined(colors, kind)) if kind == "skirt" else joined(colors, kind)


def say_shoes(known: Known) -> str | None:
    kind, colors = known.get("shoes"), known.get("shoe colors")
    if colors is None and kind not in SHOES:
        return None
    return joined(colors, kind if kind in SHOES else "shoes")


def say_hair(known: Known) -> str | None:
    length, color = known.get("hair length"), known.get("hair color")
    if length == "bald":
        return "no hair"
    return joined(length, color, "hair") if length or color else None


def say_headwear(known: Known) -> str | None:
    if "headwear" not in known:
        return None
    return "no hat" if known["headwear"] == "none" else article(known["headwear"])


def say_bag(known: Known) -> str | None:
    if "carried" not in known:
        return None
    if known["carried"] == "nothing":
        return "no bag"
    first, *more = known["carried"].split(" and ")
    return " and ".join([article(joined(known.get("bag colors"), first)), *(article(each) for each in more)])


REGIONS = (
    Region("upper clothing", False, "wears", ("upper colors", "pattern", "upper garment", "jacket colors"), say_upper),
    Region("sleeves", True, "has", ("sleeves",), say_sleeves),
    Region("lower clothing", False, "wears", ("lower garment", "lower colors"), say_lower),
    Region("shoes", True, "wears", ("shoe colors", "shoes"), say_shoes),
    Region("hair", False, "has", ("hair length", "hair color"), say_hair),
    Region("headwear", False, "wears", ("headwear",), say_headwear),
    Region("bag", False, "carries", ("carried", "bag colors"), say_bag),
)
