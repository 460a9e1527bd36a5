"""Official counts of the field's data sets, each with its evidence, and what a difference from them means.

Evidence as in docs/datasets.md: `verified` was read in a primary source (official code, readme, independent loaders),
`computed` was counted by us from an official split file, `memory` is unconfirmed and must never be relied on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reidr.data.reading.notes import Note

Evidence = Literal["verified", "computed", "memory"]
Summary = Mapping[str, Mapping[str, int]]

PARTIAL = "looks like a partial copy of"
LARGER = "holds more than the official"
UNSURE = "differs from unconfirmed counts of"
OLD_SPLIT = "looks like the old CUHK03 split"


@dataclass(frozen=True)
class Count:
    """One official number; `also` are other numbers that honest copies have."""

    number: int
    evidence: Evidence
    also: tuple[int, ...] = ()


def _split(images: int, persons: int, evidence: Evidence, of_persons: Evidence | None = None) -> dict[str, Count]:
    return {"images": Count(images, evidence), "persons": Count(persons, of_persons or evidence)}


TITLES = {
    "market1501": "Market-1501",
    "cuhk03-np/detected": "CUHK03-NP (detected)",
    "cuhk03-np/labelled": "CUHK03-NP (labelled)",
    "occluded-duke": "Occluded-Duke",
    "msmt17": "MSMT17",
    "prcc": "PRCC",
    "ltcc": "LTCC",
    "vc-clothes": "VC-Clothes",
    "veri-776": "VeRi-776",
    "mars": "MARS",
}
OFFICIAL: dict[str, dict[str, dict[str, Count]]] = {
    "market1501": {
        "train": _split(12_936, 751, "computed"),
        "query": _split(3_368, 750, "computed"),
        "gallery": {
            # Many copies leave the junk boxes out: 19,732 - 3,819 = 15,913.
            "images": Count(19_732, "computed", also=(15_913,)),
            "persons": Count(750, "computed"),
            "distractors": Count(2_798, "computed"),
            "junk": Count(3_819, "computed", also=(0,)),
        },
    },
    "cuhk03-np/detected": {
        "train": _split(7_365, 767, "computed"),
        "query": _split(1_400, 700, "computed"),
        "gallery": _split(5_332, 700, "computed"),
    },
    "cuhk03-np/labelled": {
        "train": _split(7_368, 767, "computed"),
        "query": _split(1_400, 700, "computed"),
        "gallery": _split(5_328, 700, "computed"),
    },
    "occluded-duke": {
        "train": _split(15_618, 702, "computed"),
        "query": _split(2_210, 519, "computed"),
        "gallery": _split(17_661, 1_110, "computed"),
    },
    "msmt17": {
        # Training and validation list together; the lists apart (30,248 + 2,373) are from memory only.
        "train": {"images": Count(32_621, "verified", also=(30_248,)), "persons": Count(1_041, "verified")},
        "query": _split(11_659, 3_060, "verified", "computed"),
        "gallery": _split(82_161, 3_060, "verified", "computed"),
    },
    "prcc": {
        "train": _split(17_896, 150, "verified", "memory"),
        "query": _split(3_543 + 3_873, 71, "memory"),
        "gallery": _split(3_384, 71, "memory"),
    },
    "ltcc": {
        "train": _split(9_576, 77, "verified"),
        "query": _split(493, 75, "verified"),
        "gallery": _split(7_050, 75, "verified"),
    },
    "vc-clothes": {
        "train": _split(9_449, 256, "verified", "memory"),
        "query": _split(1_020, 256, "verified", "memory"),
        "gallery": _split(8_591, 256, "verified", "memory"),
    },
    "veri-776": {
        # Vehicles; 37,746 stands in some papers.
        "train": {"images": Count(37_778, "memory", also=(37_746,)), "persons": Count(576, "memory", also=(575,))},
        "query": _split(1_678, 200, "memory"),
        "gallery": _split(11_579, 200, "memory"),
    },
}
CLAIMS = {
    "market1501": "market1501",
    "msmt17": "msmt17",
    "occludedduke": "occluded-duke",
    "occduke": "occluded-duke",
    "prcc": "prcc",
    "ltcc": "ltcc",
    "vcclothes": "vc-clothes",
    "veri776": "veri-776",
}
OLD_CUHK03 = {"train": (1_160, 1_260, 1_267, 1_360, 1_367), "query": (100,)}


def identify(name: str, summary: Summary) -> str | None:
    """Which official data set this is: by its counts where a split agrees exactly, else by what its name claims.

    Counts go first, because CUHK03-NP's two kinds of boxes differ in nothing but a few images.
    """
    name = "".join(letter for letter in name.lower() if letter.isalnum())
    agreeing = [key for key in OFFICIAL if _agrees(key, summary)]
    if len(agreeing) == 1:
        return agreeing[0]
    if "cuhk03" in name:
        # 1,400 query images of 700 people fit both kinds of boxes.
        return "cuhk03-np/labelled" if "label" in name else "cuhk03-np/detected"
    return next((key for word, key in CLAIMS.items() if word in name), None)


def _agrees(key: str, summary: Summary) -> bool:
    """Whether the filled splits all have the official numbers of images and persons."""
    filled = [split for split in OFFICIAL[key] if summary[split]["images"]]
    return bool(filled) and all(
        summary[split][what] in (OFFICIAL[key][split][what].number, *OFFICIAL[key][split][what].also)
        for split in filled
        for what in ("images", "persons")
    )


def protocol_of(key: str | None) -> str:
    """The evaluation rule that belongs to an official data set; the standard rule for all others."""
    own = {
        "prcc": "prcc/clothes-changing/multi-shot",
        "ltcc": "ltcc/clothes-changing",
        "vc-clothes": "vc-clothes/clothes-changing",
        "mars": "tracklets",
    }
    return key if key is not None and key.startswith("cuhk03-np/") else own.get(key or "", "standard")


def compare(key: str, summary: Summary) -> list[Note]:
    """Notes on how the counts of the filled splits differ from the official ones; one if they agree.

    Numbers that are only remembered give a sentence of their own that asks for no action.
    """
    title = TITLES[key]
    if key.startswith("cuhk03-np") and any(summary[s]["persons"] in numbers for s, numbers in OLD_CUHK03.items()):
        persons = f"{summary['train']['persons']:,} training and {summary['query']['persons']:,} query persons"
        text = (
            f"{OLD_SPLIT} (1,367/100; here {persons}), which is measured by single-gallery-shot; its numbers cannot be "
            "compared with CUHK03-NP (767/700)"
        )
        return [Note(text, "warning", kind="counts")]
    fewer: list[str] = []
    more: list[str] = []
    unsure: list[str] = []
    agreeing: list[str] = []
    for split, counts in OFFICIAL[key].items():
        if not summary[split]["images"]:
            continue
        whole = summary[split]["images"] == counts["images"].number
        for what, official in counts.items():
            if what not in ("images", "persons") and not whole:
                continue  # in a partial copy the number of distractors says nothing
            found = summary[split][what]
            words = "training" if split == "train" else split
            text = f"{found:,} of {official.number:,} {words} {what}"
            if found == official.number:
                agreeing.append(f"{found:,} {words} {what}")
            elif found not in official.also:
                (unsure if official.evidence == "memory" else fewer if found < official.number else more).append(text)
    notes = []
    if fewer:
        text = f"{PARTIAL} {title}: {', '.join(fewer)}; results cannot be compared with published ones"
        notes.append(Note(text, "warning", kind="counts"))
    if more:
        text = f"{LARGER} {title}: {', '.join(more)}; files were added, or versions mixed"
        notes.append(Note(text, "warning", kind="counts"))
    if unsure:
        text = f"{UNSURE} {title}: {', '.join(unsure)}; check them against the data set's own readme"
        notes.append(Note(text, kind="counts"))
    return notes or [Note(f"counts agree with {title}: {', '.join(agreeing)}", kind="counts")]
