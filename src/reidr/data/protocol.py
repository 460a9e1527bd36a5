"""Evaluation protocols as data: which crops are queries, which are gallery, what is ignored for a query.

The field's papers differ here more than in their methods (docs/datasets.md), so every table and file of ReID-R carries
the protocol's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError

Clothes = Literal["changed", "same"]


@dataclass(frozen=True)
class Protocol:
    """One evaluation rule.

    Attributes:
        name: stands in every table and file.
        description: one sentence.
        clothes: "changed" also ignores gallery crops of the same person in the same outfit, "same" those in another
            outfit; None ignores neither.
        ignore_same_camera: ignore gallery crops of the same person and camera (the field's standard rule).
        query_cameras, gallery_cameras: only crops of these cameras take part; None: all.
        draws: 0 searches the whole gallery; n > 0 repeats with one random gallery crop per person, n times.
        open_set: queries whose person is not in the gallery count (as non-mated searches) instead of being left out.
    """

    name: str
    description: str
    clothes: Clothes | None = None
    ignore_same_camera: bool = True
    query_cameras: tuple[str, ...] | None = None
    gallery_cameras: tuple[str, ...] | None = None
    draws: int = 0
    open_set: bool = False


def _table(*protocols: Protocol) -> dict[str, Protocol]:
    return {protocol.name: protocol for protocol in protocols}


PRCC_MULTI = "all of camera A as gallery (Simple-CCReID and followers)"
PRCC_SINGLE = "one random crop of camera A per person as gallery, mean of 10 draws (the original paper)"

PROTOCOLS = _table(
    Protocol("standard", "Market-1501 rule: gallery crops of the query's person and camera are ignored, junk dropped."),
    Protocol("cuhk03-np/detected", "CUHK03 767/700 split, detected boxes; standard rule."),
    Protocol("cuhk03-np/labelled", "CUHK03 767/700 split, hand-drawn boxes; standard rule."),
    Protocol("single-gallery-shot", "One random gallery crop per person, mean of 10 draws; standard rule.", draws=10),
    Protocol("cross-domain", "Standard rule on a data set that no model was trained on."),
    Protocol("open-set", "Standard rule; queries whose person is absent are non-mated searches.", open_set=True),
    Protocol(
        "prcc/same-clothes/multi-shot",
        f"Query camera B; {PRCC_MULTI}.",
        query_cameras=("B",),
        gallery_cameras=("A",),
    ),
    Protocol(
        "prcc/clothes-changing/multi-shot",
        f"Query camera C; {PRCC_MULTI}.",
        query_cameras=("C",),
        gallery_cameras=("A",),
    ),
    Protocol(
        "prcc/same-clothes/single-shot",
        f"Query camera B; {PRCC_SINGLE}.",
        query_cameras=("B",),
        gallery_cameras=("A",),
        draws=10,
    ),
    Protocol(
        "prcc/clothes-changing/single-shot",
        f"Query camera C; {PRCC_SINGLE}.",
        query_cameras=("C",),
        gallery_cameras=("A",),
        draws=10,
    ),
    Protocol("ltcc/general", "Standard rule, whatever is worn."),
    Protocol("ltcc/clothes-changing", "Standard rule, and same person in the same outfit ignored.", clothes="changed"),
    Protocol("ltcc/same-clothes", "Standard rule, and same person in another outfit ignored.", clothes="same"),
    Protocol("vc-clothes/all", "All four cameras; standard rule."),
    Protocol(
        "vc-clothes/same-clothes",
        "Cameras 2 and 3, where people wear the same; standard rule.",
        query_cameras=("2", "3"),
        gallery_cameras=("2", "3"),
    ),
    Protocol(
        "vc-clothes/clothes-changing",
        "Cameras 3 and 4, between which people change; standard rule.",
        query_cameras=("3", "4"),
        gallery_cameras=("3", "4"),
    ),
)


def find_protocol(name: str) -> Protocol:
    """The protocol of that name. Raises DataError listing all names."""
    if name not in PROTOCOLS:
        raise DataError(f"no protocol {name!r}; there are: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


@dataclass(frozen=True)
class Trial:
    """One search to be measured: the queries, the gallery, and the rule between them."""

    protocol: Protocol
    query: tuple[Crop, ...]
    gallery: tuple[Crop, ...]

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of `evaluate_ranking` and `evaluate_features`: ids, cameras, junk, outfits, clothes."""
        arguments: dict[str, Any] = {
            "query_ids": [crop.person for crop in self.query],
            "gallery_ids": [crop.person for crop in self.gallery],
            "query_cameras": cameras(self.query, self.protocol),
            "gallery_cameras": cameras(self.gallery, self.protocol),
            "junk": np.array([crop.junk for crop in self.gallery], dtype=bool),
        }
        if self.protocol.clothes is not None:
            arguments |= {
                "query_outfits": outfits(self.query),
                "gallery_outfits": outfits(self.gallery),
                "clothes": self.protocol.clothes,
            }
        return arguments

    def excluded(self, rows: slice = slice(None)) -> NDArray[np.bool_]:
        """(rows, G) True where a gallery crop is ignored for a query: what a reasoner must never be asked about."""
        same_person = self._equal("person", rows)
        ignored = np.zeros_like(same_person)
        if self.protocol.ignore_same_camera:
            ignored |= same_person & self._equal("camera", rows)
        if self.protocol.clothes is not None:
            same = self._equal("outfit", rows)
            ignored |= same_person & (same if self.protocol.clothes == "changed" else ~same)
        ignored |= np.array([crop.junk for crop in self.gallery], dtype=bool)[None, :]
        return ignored

    def matches(self, rows: slice = slice(None)) -> NDArray[np.bool_]:
        """(rows, G) True where a gallery crop shows the query's person and is not ignored."""
        return self._equal("person", rows) & ~self.excluded(rows)

    def _equal(self, label: str, rows: slice) -> NDArray[np.bool_]:
        """(rows, G) True where query and gallery carry the same known label."""
        query, gallery = self._codes[label]
        return (query[rows, None] == gallery[None, :]) & (query[rows, None] >= 0)

    @cached_property
    def _codes(self) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
        return {
            label: _codes([getattr(c, label) for c in self.query], [getattr(c, label) for c in self.gallery])
            for label in ("person", "camera", "outfit")
        }


def trials(dataset: ReIDDataset, protocol: Protocol, seed: int = 0) -> list[Trial]:
    """The searches of a protocol on a data set: one, or `protocol.draws` of them with one gallery crop per person.

    Draws are made from crops sorted by id, so they do not depend on the order of files on a disk.
    Raises DataError when no query or no gallery crop is left.
    """
    query = _of_cameras(dataset.query, protocol.query_cameras)
    gallery = _of_cameras(dataset.gallery, protocol.gallery_cameras)
    for what, crops in (("query", query), ("gallery", gallery)):
        if not crops:
            raise DataError(f"{dataset.name}: no {what} crop for protocol {protocol.name}; run `reidr validate` on it")
    if not protocol.draws:
        return [Trial(protocol, query, gallery)]
    random = np.random.default_rng(seed)
    by_person: dict[str, list[Crop]] = {}
    for crop in sorted(gallery, key=lambda crop: crop.id):
        if crop.person is not None:
            by_person.setdefault(crop.person, []).append(crop)
    return [
        Trial(protocol, query, tuple(crops[random.integers(len(crops))] for _, crops in sorted(by_person.items())))
        for _ in range(protocol.draws)
    ]


def cameras(crops: Sequence[Crop], protocol: Protocol) -> list[str | None]:
    """Camera labels for the same-camera rule; all None where the protocol does not have that rule."""
    return [crop.camera if protocol.ignore_same_camera else None for crop in crops]


def outfits(crops: Sequence[Crop]) -> list[str]:
    """Outfit labels, unique across persons. Raises DataError for a labelled crop without one."""
    for crop in crops:
        if crop.person is not None and crop.outfit is None:
            raise DataError(f"{crop.id}: has no outfit label, which a clothes-changing protocol needs")
    return [f"{crop.person}/{crop.outfit}" for crop in crops]


def _of_cameras(crops: tuple[Crop, ...], wanted: tuple[str, ...] | None) -> tuple[Crop, ...]:
    return crops if wanted is None else tuple(crop for crop in crops if crop.camera in wanted)


def _codes(
    query: Sequence[str | None], gallery: Sequence[str | None]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labels as integers shared by both lists; None becomes -1 in the query and -2 in the gallery (never equal)."""
    known = {label: code for code, label in enumerate(sorted({*query, *gallery} - {None}, key=str))}
    return (
        np.array([known.get(label, -1) for label in query], dtype=np.int64),
        np.array([known.get(label, -2) for label in gallery], dtype=np.int64),
    )
