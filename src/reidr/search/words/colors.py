"""Words of colour: which values of the vocabulary each may mean."""

from __future__ import annotations

from reidr.search.words.entries import Color

MEANINGS: dict[str, str] = {
    "black": "black",
    "white": "white",
    "off white": "white",
    "gray": "gray",
    "grey": "gray",
    "grayish": "gray",
    "greyish": "gray",
    "charcoal": "gray black",
    "silver": "gray white",
    "red": "red",
    "reddish": "red",
    "scarlet": "red",
    "crimson": "red",
    "maroon": "red purple brown",
    "burgundy": "red purple",
    "wine": "red purple",
    "rust": "orange brown red",
    "orange": "orange",
    "coral": "orange pink red",
    "salmon": "pink orange",
    "peach": "pink orange beige",
    "yellow": "yellow",
    "yellowish": "yellow",
    "gold": "yellow",
    "golden": "yellow",
    "mustard": "yellow",
    "green": "green",
    "greenish": "green",
    "lime": "green yellow",
    "mint": "green",
    "jade": "green",
    "olive": "green brown",
    "teal": "green blue",
    "turquoise": "blue green",
    "aqua": "blue green",
    "blue": "blue",
    "bluish": "blue",
    "navy": "blue black",
    "navy blue": "blue black",
    "purple": "purple",
    "violet": "purple",
    "lavender": "purple",
    "lilac": "purple",
    "plum": "purple",
    "magenta": "pink purple",
    "pink": "pink",
    "pinkish": "pink",
    "rose": "pink",
    "brown": "brown",
    "brownish": "brown",
    "caramel": "brown",
    "tan": "beige brown",
    "beige": "beige",
    "cream": "beige white",
    "ivory": "beige white",
    "sand": "beige",
    "khaki": "beige brown green",
    "blond": "blond",
    "blonde": "blond",
    "brunette": "brown",
    "auburn": "brown red",
    "ginger": "red",
}
SHADED: dict[tuple[str, str], tuple[str, ...]] = {
    ("dark", "gray"): ("gray", "black"),
    ("light", "gray"): ("gray", "white"),
    ("dark", "blue"): ("blue", "black"),
    ("light", "brown"): ("brown", "beige"),
    ("light", "red"): ("red", "pink"),
}
"""Colours that change their name with their shade; any other keeps it ("dark green" is green)."""

SHADES: dict[str, tuple[str, ...]] = {
    "dark": ("black", "blue", "brown", "gray", "green", "purple"),
    "light": ("white", "gray", "beige", "blue", "pink", "yellow"),
}
"""What "dark" and "light" may mean of a garment, where no colour is named."""

HAIR_SHADES: dict[str, tuple[str, ...]] = {"dark": ("black", "brown"), "light": ("blond", "gray", "white")}
HAIR_NAMES: dict[str, str] = {"yellow": "blond", "beige": "blond", "orange": "red"}
"""Colours of garments that have another name where hair has them."""

COLORS: dict[str, Color] = {word: Color(tuple(names.split())) for word, names in MEANINGS.items()}


def shaded(shade: str, color: Color) -> Color:
    """ "dark" or "light" with the colour that follows it."""
    names = [name for own in color.names for name in SHADED.get((shade, own), (own,))]
    return Color(tuple(dict.fromkeys(names)))
