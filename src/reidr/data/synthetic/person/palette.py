"""The named colours of the street, as sRGB. Names are those a witness would use; shades vary within a name."""

from __future__ import annotations

from reidr.errors import DataError

RGB = tuple[float, float, float]

COLORS: dict[str, RGB] = {
    "black": (34, 34, 38),
    "gray": (126, 128, 132),
    "white": (232, 231, 226),
    "beige": (205, 184, 146),
    "brown": (116, 76, 48),
    "red": (186, 40, 44),
    "orange": (222, 118, 38),
    "yellow": (228, 192, 58),
    "green": (56, 122, 66),
    "blue": (52, 104, 184),
    "navy": (34, 46, 88),
    "purple": (112, 66, 142),
    "pink": (224, 142, 168),
}
HAIR_COLORS: dict[str, RGB] = {
    "black": (32, 27, 27),
    "brown": (92, 58, 36),
    "blond": (208, 168, 96),
    "gray": (158, 156, 154),
    "red": (150, 66, 34),
}
UPPER_COLORS = ("black", "gray", "white", "beige", "red", "orange", "yellow", "green", "blue", "navy", "purple", "pink")
LOWER_COLORS = ("black", "gray", "white", "beige", "brown", "green", "blue", "navy", "red")
JACKET_COLORS = ("black", "gray", "beige", "brown", "green", "blue", "navy", "red")
SHOES_COLORS = ("black", "white", "brown", "red", "blue", "gray")
BAG_COLORS = ("black", "brown", "red", "blue", "green", "beige", "purple", "orange")
HAT_COLORS = ("black", "white", "red", "blue", "green", "yellow", "gray")


def shaded(color: RGB, shade: float) -> RGB:
    """`color` made lighter (shade > 0) or darker (shade < 0); -1 is black and +1 white."""
    if shade >= 0:
        return (
            color[0] + (255 - color[0]) * shade,
            color[1] + (255 - color[1]) * shade,
            color[2] + (255 - color[2]) * shade,
        )
    return (color[0] * (1 + shade), color[1] * (1 + shade), color[2] * (1 + shade))


def check_choice(what: str, value: str, known: tuple[str, ...]) -> None:
    """Raises DataError when `value` is not one of `known`."""
    if value not in known:
        raise DataError(f"{what} is {value!r}; it must be one of {', '.join(known)}")
