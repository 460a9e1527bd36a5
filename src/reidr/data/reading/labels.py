"""How a label (person, camera, outfit, sequence, track) is read, wherever it comes from.

Labels are compared, never computed with, so one thing must not be written in two ways. The one rule:

* Text counts without blanks around it; composed and decomposed accents are the same letter.
* A whole number is its digits: 1, 1.0, "1", "1.0", 1e3 (a number of JSON) are 1, 1, 1, 1, 1000.
* Leading zeros stay: "0002" is not "2" (Market-1501 writes 0002; `reidr validate` names such pairs).
* Nothing, blanks, NaN and what pandas reads as a gap (na, n/a, nan, null, none, <na>, #n/a …), in any case of letters,
  mean "unknown".
* A truth value, an infinite number, a list, text that is not UTF-8 and whatever else is no label and is refused.
* Text that only looks like an infinite number ("inf", "Infinity") is text: a camera may be called that.
* Text such as "1e3" stays text; beside a label "1000" it is refused, since both may or may not be one.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from numbers import Integral, Real

from reidr.errors import DataError

# What pandas writes for a gap or reads as one, without regard to case. R writes NA, spreadsheets #N/A.
UNKNOWN = frozenset(
    {"", "nan", "-nan", "+nan", "na", "n/a", "<na>", "nat", "null", "none", "#n/a", "#na", "#n/a n/a"}
    | {"1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"}
)
WHOLE = re.compile(r"([+-]?\d+)\.0*\Z", re.ASCII)
FRACTION = re.compile(r"([+-]?\d+\.\d*?[1-9])0+\Z", re.ASCII)
EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d{1,3}\Z", re.ASCII)
EXACT = 2**53  # above it a float of 64 bits skips whole numbers
BLANKS = "\ufeff\u200b"  # a byte-order mark or a zero-width blank that was pasted along


def read_label(value: object) -> str | None:
    """A label as text by the rule above, None where it is unknown.

    Text, numbers of Python and NumPy and scalars of NumPy, pandas or torch are read. Raises DataError for anything
    else, saying what is wrong with the value; the caller adds where it stands.
    """
    if type(value) is str:
        return _read_text(value)
    if value is None or type(value).__name__ in ("NAType", "NaTType"):  # pandas' own marks, without importing pandas
        return None
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        if type(value).__name__ in ("float16", "float32"):  # 0.1 of 32 bits is the text 0.1, not 0.10000000149
            return _read_real(float(str(value)))
        value = value.item()
    if isinstance(value, str):
        return _read_text(str(value))
    if isinstance(value, bool):
        raise DataError(f"{value!r}; it must be text or a number, and a truth value is neither")
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return _read_real(float(value))
    raise DataError(f"{value!r}; it must be text or a number")


def _read_real(number: float) -> str | None:
    if math.isnan(number):
        return None
    if math.isinf(number):
        raise DataError(f"{number!r}; it must be text or a finite number")
    if number != int(number):
        return repr(number)
    if abs(number) > EXACT:
        raise DataError(f"{number!r}; so large a number has lost its last digits: write it as text")
    return str(int(number))


@lru_cache(maxsize=1 << 16)
def _read_text(text: str) -> str | None:
    if not text.isascii():
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise DataError(f"{text!a}; that is no text: write it as UTF-8")
        text = unicodedata.normalize("NFC", text)
    text = text.strip().strip(BLANKS).strip()
    if text.casefold() in UNKNOWN:
        return None
    if whole := WHOLE.match(text):
        text = whole[1]
    elif fraction := FRACTION.match(text):
        text = fraction[1]
    return "0" if text in ("-0", "+0") else text


def check_code_label(value: object) -> str | None:
    """The label of a crop made in code: text by the rule of this file, or None for unknown.

    Code is typed, so it is held to more than files are: a number, or text that means "unknown", is most likely a column
    that was read otherwise than intended. Raises DataError for it.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        hint = "reidr.data.reading.labels.read_label reads numbers"
        raise DataError(f"must be a non-empty string or None, not {value!r} ({hint})")
    label = read_label(value)
    if label is None:
        raise DataError(f"must be a non-empty string or None, not {value!r}, which names nothing")
    return label


def check_exponents(column: str, labels: Iterable[str | None]) -> None:
    """Raise DataError where one label of a column is `1e3` and another is what that is as a number, `1000`."""
    known = {label for label in labels if label is not None}
    for label in sorted(known):
        if EXPONENT.match(label):
            number = float(label)
            written = _read_real(number) if abs(number) <= EXACT else None
            if written in known:
                raise DataError(
                    f"{column} is {label!r} in one row and {written!r} in another: they may or may not be the "
                    "same; write both as whole numbers, or put a letter before them"
                )


def spelled_twice(labels: Iterable[str | None]) -> list[str]:
    """Labels that differ only as `plain` says, as "0002 and 2", sorted."""
    ways: dict[str, set[str]] = {}
    for label in {label for label in labels if label is not None}:
        ways.setdefault(plain(label), set()).add(label)
    return sorted(" and ".join(sorted(spellings)) for spellings in ways.values() if len(spellings) > 1)


def plain(label: str) -> str:
    """One label without what a person does not see as a difference: case, blanks, leading zeros, a plus, and letters
    and digits of another width or script (1 and \uff11)."""
    label = unicodedata.normalize("NFKC", label).strip().casefold()
    digits = label.removeprefix("+")
    return str(int(digits)) if digits.isdecimal() and len(digits) < 1000 else label
