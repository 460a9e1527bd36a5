"""From a data set and a protocol to what an evaluator needs: queries, gallery, labels as integers, what is ignored.

In every protocol a query's own picture is ignored for it: the very same file (also by a link), or the same crop in
memory. Where one list is query and gallery (leave-one-out, usual where there are no cameras) finding itself says
nothing. A copy of a picture under another name is another picture here, since nobody knows whether it was meant;
`reidr validate` names copies.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.data.protocols.matching_rule import ignored_of_own_person
from reidr.data.protocols.pooled import pooled
from reidr.data.protocols.table import PROTOCOLS, Protocol, check_belongs, find_protocol
from reidr.data.reading.listing import identity
from reidr.data.reading.notes import Note
from reidr.data.tracks import tracks_of
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError

__all__ = ["PROTOCOLS", "Protocol", "Trial", "check_belongs", "find_protocol", "gallery_draws", "trials"]

Labels = Sequence[str | None]


@dataclass(frozen=True)
class Trial:
    """One search to be measured: the queries, the gallery, and the rule between them.

    Attributes:
        draw: number of this draw, for protocols that repeat. seed: the draws' seed.
    """

    protocol: Protocol
    query: tuple[Crop, ...]
    gallery: tuple[Crop, ...]
    draw: int = 0
    seed: int = 0

    def arguments(self, *, blockwise: bool = True) -> dict[str, Any]:
        """Keyword arguments of `evaluate_features`, or with `blockwise=False` of `evaluate_ranking`.

        Person and camera labels are int64, equal where the labels are; an unknown person or camera equals nothing.
        `junk` is (G,) bool. Clothes-changing rules add outfits; per-query draws, and queries that are themselves in the
        gallery, add `ignored`.
        """
        arguments: dict[str, Any] = {
            "query_ids": self._codes["person"][0],
            "gallery_ids": self._codes["person"][1],
            "query_cameras": self._codes["camera"][0],
            "gallery_cameras": self._codes["camera"][1],
            "junk": self.junk,
        }
        if self.protocol.clothes is not None:
            arguments |= {
                "query_outfits": self._codes["outfit"][0],
                "gallery_outfits": self._codes["outfit"][1],
                "clothes": self.protocol.clothes,
            }
        if self.draws_per_query:
            arguments["ignored"] = self.not_drawn if blockwise else self.not_drawn(slice(None))
        elif self.own:
            arguments["ignored"] = self.own_pictures if blockwise else self.own_pictures(slice(None))
        return arguments

    @cached_property
    def own(self) -> dict[int, tuple[int, ...]]:
        """By the place of a query the places of its own picture in the gallery; queries without any are left out."""
        places: dict[Hashable, list[int]] = {}
        for place, key in enumerate(map(picture_identity, self.gallery)):
            places.setdefault(key, []).append(place)
        found = {place: places.get(picture_identity(crop), ()) for place, crop in enumerate(self.query)}
        return {place: tuple(own) for place, own in found.items() if own}

    def own_pictures(self, rows: slice = slice(None)) -> NDArray[np.bool_]:
        """(rows, G) True where a gallery crop is the query's own picture."""
        places = range(len(self.query))[rows]
        own = np.zeros((len(places), len(self.gallery)), dtype=bool)
        for row, place in enumerate(places):
            own[row, list(self.own.get(place, ()))] = True
        return own

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is to be said beside the results: of how many queries the own picture is left out of the gallery."""
        if not self.own:
            return ()
        number = f"{len(self.own):,} of {len(self.query):,} queries"
        text = f"each query's own picture (the same file) is left out of its gallery: {number}"
        return (Note(text, kind="own picture", count=len(self.own)),)

    @property
    def draws_per_query(self) -> bool:
        """Whether each query has its own drawn gallery."""
        return self.protocol.draws > 0 and self.protocol.draw == "per query"

    @cached_property
    def junk(self) -> NDArray[np.bool_]:
        """(G,) True for crops that no protocol ranks."""
        return np.array([crop.junk for crop in self.gallery], dtype=bool)

    @cached_property
    def idle(self) -> NDArray[np.bool_]:
        """(G,) True for crops that take part in no search: junk, and distractors where each query draws persons."""
        unknown = np.array([crop.person is None for crop in self.gallery], dtype=bool)
        return self.junk | unknown if self.draws_per_query else self.junk

    @cached_property
    def persons(self) -> frozenset[str]:
        """Everybody whom the gallery shows, ignored or not."""
        return frozenset(crop.person for crop in self.gallery if crop.person is not None)

    @cached_property
    def mated(self) -> NDArray[np.bool_]:
        """(Q,) True where the gallery answers the query after all rules; the others are non-mated searches."""
        rows = [self._matching(slice(q, q + 256)).any(axis=1) for q in range(0, len(self.query), 256)]
        return np.concatenate(rows) if rows else np.zeros(0, dtype=bool)

    def excluded(self, rows: slice = slice(None)) -> NDArray[np.bool_]:
        """(rows, G) True where a gallery crop is ignored for a query: what a reasoner must never be asked about."""
        ignored = self._ignored_by_labels(rows)
        return ignored | self.not_drawn(rows) if self.draws_per_query else ignored

    def shows_person(self, indices: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(Q, k) True where the gallery crop at `indices` (Q, k) is labelled as the query's person; False for -1."""
        query, gallery = self._codes["person"]
        return np.asarray((gallery[np.maximum(indices, 0)] == query[:, None]) & (indices >= 0))

    def matches(self, rows: slice = slice(None)) -> NDArray[np.bool_]:
        """(rows, G) True where a gallery crop shows the query's person and is not ignored."""
        return self._equal("person", rows) & ~self.excluded(rows)

    def not_drawn(self, rows: slice = slice(None)) -> NDArray[np.bool_]:
        """(rows, G) True for what a per-query draw leaves aside: all crops but one of each person, and distractors.

        Drawn among the crops the labels do not ignore; the draw depends on seed, draw and the ids of query and gallery
        crops, not on their order.
        """
        persons = self._codes["person"][1]
        known = np.array([crop.person is not None for crop in self.gallery], dtype=bool)
        by_id = np.argsort(np.argsort(np.array([crop.id for crop in self.gallery], dtype=np.str_), kind="stable"))
        aside = self._ignored_by_labels(rows) | ~known[None, :]
        for row, crop in enumerate(self.query[rows]):
            random = np.random.default_rng([self.seed, self.draw, zlib.crc32(crop.id.encode("utf-8", "replace"))])
            keys = random.random(len(self.gallery))[by_id]
            open_to = np.flatnonzero(~aside[row])
            order = open_to[np.lexsort((keys[open_to], persons[open_to]))]
            later = np.ones(len(order), dtype=bool)
            later[:1] = False
            later[1:] = persons[order[1:]] == persons[order[:-1]]
            aside[row, order[later]] = True
        return aside

    def _matching(self, rows: slice) -> NDArray[np.bool_]:
        return self._equal("person", rows) & ~self._ignored_by_labels(rows)

    def _ignored_by_labels(self, rows: slice) -> NDArray[np.bool_]:
        clothes = self.protocol.clothes
        outfits_agree = None if clothes is None else self._equal("outfit", rows)
        own = ignored_of_own_person(self._equal("camera", rows), outfits_agree, clothes)
        ignored = (self._equal("person", rows) & own) | self.junk[None, :]
        if self.own:
            ignored |= self.own_pictures(rows)
        return ignored

    def _equal(self, label: str, rows: slice) -> NDArray[np.bool_]:
        query, gallery = self._codes[label]
        equal: NDArray[np.bool_] = query[rows, None] == gallery[None, :]
        return equal

    @cached_property
    def _codes(self) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
        codes = {
            "person": shared_codes([c.person for c in self.query], [c.person for c in self.gallery]),
            "camera": shared_codes(cameras(self.query, self.protocol), cameras(self.gallery, self.protocol)),
        }
        if self.protocol.clothes is not None:
            codes["outfit"] = shared_codes(outfits(self.query), outfits(self.gallery))
        return codes


def trials(dataset: ReIDDataset, protocol: Protocol, seed: int = 0, *, queries: int | None = None) -> list[Trial]:
    """The searches of a protocol on a data set: one, or `protocol.draws` of them.

    `queries` samples so many of the protocol's queries by `seed`; None takes all. Draws are made from crops sorted by
    id, so they do not depend on the order of files on a disk.
    Raises DataError when no query or no gallery crop is left, naming the protocol's cameras where they are the reason.
    """
    if protocol.pooled:
        dataset = pooled(dataset, picture_identity)
    every = of_cameras(dataset, "query", protocol.query_cameras)
    if protocol.tracklets and not any(crop.track for crop in (*dataset.query, *dataset.gallery)):
        raise DataError(f"{dataset.name}: no crop has a track label, which protocol {protocol.name} searches by")
    query = sampled_tracks(every, queries, seed) if protocol.tracklets else sampled(every, queries, seed)
    gallery = of_cameras(dataset, "gallery", protocol.gallery_cameras)
    if protocol.withheld:
        gallery = without_some(query, gallery, protocol.withheld, seed)
    if not protocol.draws:
        return [Trial(protocol, query, gallery, seed=seed)]
    if protocol.draw == "per query":
        return [Trial(protocol, query, gallery, draw, seed) for draw in range(protocol.draws)]
    return [
        Trial(protocol, query, tuple(gallery[i] for i in chosen), draw, seed)
        for draw, chosen in enumerate(gallery_draws(gallery, protocol.draws, seed))
    ]


def of_cameras(dataset: ReIDDataset, split: str, wanted: tuple[str, ...] | None) -> tuple[Crop, ...]:
    """The crops of a split that the protocol's cameras saw. Raises DataError when none is left."""
    crops: tuple[Crop, ...] = getattr(dataset, split)
    if not crops:
        raise DataError(f"{dataset.name}: no {split} crops to evaluate on; run `reidr validate` on it")
    left = crops if wanted is None else tuple(crop for crop in crops if crop.camera in wanted)
    if not left:
        there = ", ".join(sorted({crop.camera or "none" for crop in crops}))
        raise DataError(
            f"{dataset.name}: {split} has crops of cameras {there}, but the protocol needs {', '.join(wanted or ())}; "
            "choose another protocol"
        )
    return left


def sampled(query: tuple[Crop, ...], number: int | None, seed: int) -> tuple[Crop, ...]:
    """`number` of the queries, drawn by `seed` and kept in order; all of them for None or where there are fewer."""
    if number is None or number >= len(query):
        return query
    if number < 1:
        raise DataError("--queries must be at least 1")
    chosen = np.sort(np.random.default_rng(seed).choice(len(query), number, replace=False))
    return tuple(query[i] for i in chosen)


def sampled_tracks(query: tuple[Crop, ...], number: int | None, seed: int) -> tuple[Crop, ...]:
    """The crops of `number` of the query tracklets, drawn as `sampled` does and kept in order."""
    if number is None:
        return query
    tracks = tracks_of(query)
    drawn = sampled(tuple(track.crops[0] for track in tracks), number, seed)
    first = {crop.id for crop in drawn}
    kept = {crop.id for track in tracks if track.crops[0].id in first for crop in track.crops}
    return tuple(crop for crop in query if crop.id in kept)


def picture_identity(crop: Crop) -> Hashable:
    """What identifies a crop's picture: the file that a path leads to, or the crop itself in memory.

    Paths that lead to no file are identified by path and id: such a crop cannot be searched, and tests make many of
    one path.
    """
    if not isinstance(crop.image, Path):
        return id(crop.image), crop.id
    try:
        return identity(crop.image)
    except (OSError, ValueError):
        return os.fspath(crop.image), crop.id


def gallery_draws(gallery: Sequence[Crop], draws: int, seed: int) -> list[NDArray[np.int64]]:
    """`draws` random gallery subsets with one crop of each person, as positions; distractors and junk are never drawn.

    Persons and crops are sorted by label and id first, so the same crops are drawn whatever the gallery's order.
    """
    of_person: dict[str, list[int]] = {}
    for position in sorted(range(len(gallery)), key=lambda position: gallery[position].id):
        person = gallery[position].person
        if person is not None:
            of_person.setdefault(person, []).append(position)
    random = np.random.default_rng(seed)
    groups = [of_person[person] for person in sorted(of_person)]
    return [np.array([group[random.integers(len(group))] for group in groups], dtype=np.int64) for _ in range(draws)]


def without_some(query: Sequence[Crop], gallery: Sequence[Crop], share: float, seed: int) -> tuple[Crop, ...]:
    """The gallery without all crops of a `share` of the query persons it shows, drawn by `seed` from sorted labels."""
    shown = {crop.person for crop in gallery}
    mated = sorted({crop.person for crop in query if crop.person is not None and crop.person in shown})
    number = round(share * len(mated))
    drawn = np.random.default_rng(seed).choice(len(mated), number, replace=False) if number else ()
    taken_out = {mated[i] for i in drawn}
    return tuple(crop for crop in gallery if crop.person not in taken_out)


def cameras(crops: Sequence[Crop], protocol: Protocol) -> list[str | None]:
    """Camera labels for the same-camera rule; all None where the protocol does not have that rule."""
    return [crop.camera if protocol.ignore_same_camera else None for crop in crops]


def outfits(crops: Sequence[Crop]) -> list[str | None]:
    """Outfit labels, unique across persons. Raises DataError for a labelled crop without one."""
    for crop in crops:
        if crop.person is not None and crop.outfit is None:
            raise DataError(f"{crop.id}: has no outfit label, which a clothes-changing protocol needs")
    return [None if crop.person is None else f"{crop.person}/{crop.outfit}" for crop in crops]


def shared_codes(query: Labels, gallery: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labels as integers shared by both lists, none negative (which some evaluators take for junk).

    None becomes one number in the query and another in the gallery that no label has, so it never equals anything.
    """
    labels = sorted({*query, *gallery} - {None}, key=str)
    codes: dict[str | None, int] = {label: code for code, label in enumerate(labels)}
    unknown = len(codes)
    return (
        np.array([codes.get(label, unknown) for label in query], dtype=np.int64),
        np.array([codes.get(label, unknown + 1) for label in gallery], dtype=np.int64),
    )
