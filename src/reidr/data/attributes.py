"""Identity attributes of Market-1501 (Lin et al., Pattern Recognition 2019) as plain words.

The table is per person, not per crop: an attribute may be invisible in a given crop. Gender and age are left out on
purpose: reasons must not rest on them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from reidr.errors import DataError

UPPER_COLORS = ("black", "blue", "green", "gray", "purple", "red", "white", "yellow")
LOWER_COLORS = ("black", "blue", "brown", "gray", "green", "pink", "purple", "white", "yellow")
TWO_VALUED = {
    "up": ("sleeve", "long", "short"),
    "down": ("lower_length", "long", "short"),
    "clothes": ("lower_kind", "dress", "trousers"),
    "hair": ("hair_length", "short", "long"),
    "hat": ("hat", "no", "yes"),
    "backpack": ("backpack", "no", "yes"),
    "bag": ("shoulder_bag", "no", "yes"),
    "handbag": ("handbag", "no", "yes"),
}
MARKET_BAGS = ("backpack", "shoulder_bag", "handbag")


def load_market_attributes(path: Path) -> dict[int, Mapping[str, str]]:
    """Attributes by person number. Raises DataError naming the line that cannot be used."""
    table: dict[int, Mapping[str, str]] = {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    with io.StringIO(text, newline="") as file:
        reader = csv.DictReader(file)
        missing = {"pid", *TWO_VALUED} - set(reader.fieldnames or ())
        if missing:
            raise DataError(f"{path}: lacks the column {min(missing)!r} of the Market-1501 attribute table")
        for row in reader:
            try:
                table[int(row["pid"])] = row_attributes(row)
            except (ValueError, TypeError, KeyError):
                where = f"{path}: line {reader.line_num}"
                raise DataError(f"{where} is not a row of 1s and 2s with a person number") from None
    return table


def row_attributes(row: Mapping[str, str]) -> dict[str, str]:
    """One row of 1s and 2s as words. A garment with no marked colour is `"other"` (mixed or unlisted)."""
    found = {name: {"1": first, "2": second}[row[column]] for column, (name, first, second) in TWO_VALUED.items()}
    for name, prefix, colors in (("upper_color", "up", UPPER_COLORS), ("lower_color", "down", LOWER_COLORS)):
        marked = [color for color in colors if row.get(prefix + color) == "2"]
        found[name] = marked[0] if len(marked) == 1 else "other"
    return found


def common_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    """Attributes of a photo set or of the street in one vocabulary, so that one model learns from both.

    Market-1501's table knows dress or trousers, long or short, and three kinds of bag by yes and no; the street draws
    one kind of lower garment and at most one bag. Market's become `lower_kind` (trousers, shorts, skirt), `bag` (none,
    backpack, shoulder bag, handbag; of several the first of these) and `hat` (none, hat). `"other"` colours (mixed, or
    not marked) are left out: unknown is not a colour. Names that need no joining pass unchanged.
    """
    joined = {name: value for name, value in attributes.items() if value != "other"}
    if "lower_length" in joined:
        short = joined.pop("lower_length") == "short"
        joined["lower_kind"] = "skirt" if joined.get("lower_kind") == "dress" else "shorts" if short else "trousers"
    bags = [name for name in MARKET_BAGS if name in joined]
    if bags:
        carried = [name.replace("_", " ") for name in bags if joined.pop(name) == "yes"]
        joined["bag"] = carried[0] if carried else "none"
    if joined.get("hat") in ("no", "yes"):
        joined["hat"] = "hat" if joined["hat"] == "yes" else "none"
    return joined
