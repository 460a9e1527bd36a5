"""Splitting training identities, so that nothing is ever chosen on people it was fitted to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from reidr.data.types import Crop

STREET = "street"
NUMBER = re.compile(r"\d+$")  # a rendered street's data set is called after its seed


def family_of(person: str) -> str:
    """The data sets that a joined person's belongs to: all rendered streets (`STREET`) are one family."""
    return NUMBER.sub("", person.split(":")[0])


def hold_out_identities(crops: Sequence[Crop], share: float, seed: int) -> tuple[tuple[Crop, ...], tuple[Crop, ...]]:
    """Split labelled crops by person into (kept, held out), about `share` of the persons held out.

    The choice hashes each person's label with the seed: it does not depend on file order, on other persons, or on
    the machine, so a partial copy of a data set holds out the same people. Crops without a person are kept.
    """

    def held_out(person: str) -> bool:
        digest = hashlib.sha256(f"{seed}:{person}".encode()).digest()
        return int.from_bytes(digest[:8], "big") < share * 2**64

    chosen = {person for person in {crop.person for crop in crops} if person is not None and held_out(person)}
    return tuple(c for c in crops if c.person not in chosen), tuple(c for c in crops if c.person in chosen)
