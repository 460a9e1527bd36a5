"""Identity attributes of Market-1501 (Lin et al., Pattern Recognition 2019) as plain words, and the words of any source
in the one vocabulary.

Market's table is per person, not per crop: an attribute may be invisible in a given crop. Gender and age are left out
on purpose: reasons must not rest on them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from reidr.data.vocabulary import CANNOT_BE_SEEN, FAMILIES, Facts, values_true
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
BAGS = ("backpack", "shoulder bag", "handbag")
UNSEEN = "not visible"
AND, EITHER = " and ", " / "
MOST_ALTERNATIVES = 3  # more of them say nothing


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
    """Attributes of any source by family of the one vocabulary, each with what is known of it in words.

    "red"; "black and white" where several are true; "trousers / jeans" where it is one of them and nobody says which;
    "not visible" of what a crop hides. A family of which nothing is known is left out, and so is a value that no source
    has, as a manifest may name it. What is in the vocabulary already passes unchanged: joining twice is joining once.
    """
    from reidr.data.attribute_sources import MARKET_ALONE, facts_of

    if any(name in FAMILIES for name in attributes):
        return {name: value for name, value in attributes.items() if name in FAMILIES}

    def is_value(name: str, value: str) -> bool:
        try:
            facts_of(({} if MARKET_ALONE.isdisjoint(attributes) else {"handbag": "no"}) | {name: value})
        except DataError:
            return False
        return True

    facts = facts_of({name: value for name, value in attributes.items() if is_value(name, value)})
    found = {name: words for name in facts if name != "open jacket" and (words := words_of(facts, name)) is not None}
    if facts.get("open jacket", {}).get("no"):
        found["jacket colors"] = "none"
    return found


def words_of(facts: Facts, name: str) -> str | None:
    """What is known of a family, in words (`common_attributes`); None where that is nothing."""
    own = facts[name]
    if own.get(CANNOT_BE_SEEN):
        return UNSEEN
    true = values_true(facts, name)
    if true:
        return AND.join(true)
    if name == "carried" and all(own.get(bag) is False for bag in BAGS):
        return "nothing"
    possible = [value for value in FAMILIES[name].values if own.get(value) is not False]
    if FAMILIES[name].several or len(possible) > MOST_ALTERNATIVES:
        return None
    return EITHER.join(possible)


def states(said: str, known: str) -> bool | None:
    """Whether the value or values that are said are true of somebody of whom `known` is known; None where it is open.

    "Red" is true of "red and white": nobody says that there is nothing else.
    """
    if EITHER in known:
        return None if set(said.split(EITHER)) <= set(known.split(EITHER)) else False
    return set(said.split(AND)) <= set(known.split(AND))


def same_value(one: str, other: str) -> bool | None:
    """Whether two values as `common_attributes` gives them are the same; None where it is open."""
    if EITHER in one or EITHER in other:
        common = set(one.split(EITHER)) & set(other.split(EITHER))
        return None if common else False
    return set(one.split(AND)) == set(other.split(AND))
