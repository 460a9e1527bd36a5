"""Which data sets are the same people under other names: what a cross-domain protocol has to know.

Names come from folders (`Market-1501-v15.09.15`, `market1501-dev`, `MSMT17_V2`), so letters and digits alone are
compared, and the field's data sets are known by their words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reidr.data.counts import TITLES
from reidr.data.protocol_table import Protocol
from reidr.data.types import ReIDDataset
from reidr.errors import DataError

WORDS: dict[str, tuple[str, ...]] = {
    "Market-1501": ("market1501",),
    "MSMT17": ("msmt",),
    # Occluded-Duke and P-DukeMTMC are lists over DukeMTMC's pictures.
    "DukeMTMC": ("duke",),
    "CUHK01": ("cuhk01",),
    "CUHK02": ("cuhk02",),
    "CUHK03": ("cuhk03",),
    "CUHK-SYSU": ("cuhksysu",),
    "PRCC": ("prcc",),
    "LTCC": ("ltcc",),
    "VC-Clothes": ("vcclothes",),
    "Celeb-reID": ("celebreid",),
    "DeepChange": ("deepchange",),
    "CCVID": ("ccvid",),
    "Occluded-REID": ("occludedreid",),
    "Partial-REID": ("partialreid",),
    "i-LIDS": ("ilids",),  # Partial-iLIDS too
    "VIPeR": ("viper",),
    "PRID": ("prid2011", "prid450"),
    "LUPerson": ("luperson",),
    "PersonX": ("personx",),
    "RandPerson": ("randperson",),
}
"""The field's data sets, by words that stand in no other name."""
WHOLE = {"market": "Market-1501", "mars": "Market-1501", "grid": "GRID", "last": "LaST"}
"""Names too short to be looked for inside others. MARS extends Market-1501: the same campus and cameras."""


def families_of(name: str) -> frozenset[str]:
    """The data sets that a name or a path speaks of: the field's where it names any, else the name as it is.

    Of a path the last folder that names one counts (`cuhk03-np/detected`), else its last folder. What follows a comma
    is a remark (`mine, held-out training identities`).
    """
    parts = [normalised(part.split(",")[0]) for part in name.replace("\\", "/").split("/")]
    parts = [part for part in parts if part]
    for part in reversed(parts):
        found = {family for family, words in WORDS.items() if any(word in part for word in words)}
        if part in WHOLE:
            found.add(WHOLE[part])
        if found:
            return frozenset(found)
    return frozenset(parts[-1:])


def normalised(name: str) -> str:
    """Letters and digits in lower case."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def check_unseen(protocol: Protocol, dataset: ReIDDataset, models: Mapping[str, Sequence[str]]) -> None:
    """Raise DataError where a cross-domain protocol meets a model trained on (a part of) the same data set.

    `models` gives for each model's name the names or folders of its training data, as far as they are known: nobody
    can tell what a checkpoint from a hub or a server has seen.
    """
    if not protocol.unseen:
        return
    tested = families_of(dataset.name) | (families_of(dataset.kind) if dataset.kind in TITLES else frozenset())
    for model, trained_on in models.items():
        for name in trained_on:
            if families_of(name) & tested:
                raise DataError(
                    f"protocol {protocol.name} needs models that have not seen {dataset.name}, but {model} was trained "
                    f"on {name}; use protocol standard, or another model"
                )
