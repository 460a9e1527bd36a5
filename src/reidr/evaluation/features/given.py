"""Features that were made elsewhere in the place of a retriever: `reidr evaluate --features FILE`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reidr.data.protocols.trial import find_protocol
from reidr.data.reading.notes import Note
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError, ReIDError
from reidr.evaluation.features.files import FeatureTable, read_tables
from reidr.evaluation.metrics.labels import JUNK_TEXT
from reidr.retrieval.gallery import Gallery

NO_PICTURE = Path("(no picture)")  # below it never a name out of the file, which might lead anywhere on this disk


@dataclass(frozen=True, eq=False)
class GivenFeatures:
    """Looks features up by crop; stands where an `Embedder` stands, but embeds nothing.

    Attributes:
        name: what tables call it. rows: by (split, crop id) a place in `features`, (N, D) float32 unit rows.
    """

    name: str
    features: NDArray[np.float32]
    rows: Mapping[tuple[str, str], int]

    @property
    def fingerprint(self) -> str:
        """Hash of the features."""
        return hashlib.sha256(np.ascontiguousarray(self.features).tobytes()).hexdigest()

    def embed_pictures(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Raises ReIDError: a file knows no other pictures than its own."""
        raise ReIDError(f"{self.name}: features from a file cannot embed {len(pictures)} further pictures")

    def galleries(self, query: tuple[Crop, ...], gallery: tuple[Crop, ...]) -> tuple[Gallery, Gallery]:
        """The features of a trial's queries and gallery, in their order."""
        return self._of(query, ("query", "gallery")), self._of(gallery, ("gallery", "query"))

    def _of(self, crops: tuple[Crop, ...], splits: tuple[str, str]) -> Gallery:
        keys = [next(key for split in splits if (key := (split, crop.id)) in self.rows) for crop in crops]
        places = [self.rows[key] for key in keys]
        return Gallery(crops, self.features[places], (), self.name)


def load_given_features(
    path: Path, query_path: Path | None, dataset: ReIDDataset | None, protocol: str | None
) -> tuple[ReIDDataset, GivenFeatures]:
    """Features of files, and the data set they are of: `dataset`, or one made of the labels in the files.

    Rows are divided by their length, so that Euclidean distance ranks as the cosine does; the notes say so where they
    were not of length 1. Raises DataError where files and data set do not belong together.
    """
    gallery, query = read_tables(path, query_path)
    if dataset is not None:
        dataset, places = rows_of_dataset(dataset, gallery, query)
    else:
        dataset, places = dataset_of_tables(path.stem, gallery, query, protocol)
    tables = [gallery, *([query] if query is not None else [])]
    widths = {table.features.shape[1] for table in tables}
    if len(widths) > 1:
        raise DataError(f"{path}: features of {' and '.join(map(str, sorted(widths)))} numbers a row do not compare")
    parts = [unit_length(table) for table in tables]
    notes = (*dataset.notes, *(note for _, note in parts if note is not None))
    return replace(dataset, notes=notes), GivenFeatures(path.stem, np.concatenate([rows for rows, _ in parts]), places)


def unit_length(table: FeatureTable) -> tuple[NDArray[np.float32], Note | None]:
    """Rows of length 1 as float32, and a note where they were of other lengths. Raises DataError for unusable rows."""
    features = np.asarray(table.features, dtype=np.float64)
    length = np.sqrt(np.einsum("ij,ij->i", features, features))
    wrong = ~((length > 0) & np.isfinite(length))
    if wrong.any():
        row = int(np.argmax(wrong))
        what = "is all zeros" if length[row] == 0 else "holds NaN or infinity"
        named = "" if table.names is None else f" (of {table.names[row]})"
        raise DataError(f"{table.source}: feature {row}{named} {what}; {int(wrong.sum()):,} rows are unusable")
    single = table.features.astype(np.float32, copy=False)
    if (np.abs(length - 1) <= 1e-4).all():
        return np.asarray(single, dtype=np.float32), None
    words = f"{table.source}: rows were divided by their length ({length.min():.4g} to {length.max():.4g})"
    note = Note(words, kind="features", count=len(table))
    return (features / length[:, None]).astype(np.float32), note


def dataset_of_tables(
    name: str, gallery: FeatureTable, query: FeatureTable | None, protocol: str | None
) -> tuple[ReIDDataset, dict[tuple[str, str], int]]:
    """A data set without pictures, from the labels in the files. Raises DataError where they do not suffice."""
    if query is None and not (protocol is not None and find_protocol(protocol).pooled):
        raise DataError(
            f"{gallery.source}: there are no queries; give `query_features` in the file, a second file by "
            "--query-features, or --protocol leave-one-out"
        )
    tables = {"gallery": gallery} | ({"query": query} if query is not None else {})
    for table in tables.values():
        if table.persons is None:
            raise DataError(
                f"{table.source}: has no person labels (`ids`); add them, or give the data set whose crops these are "
                "(reidr evaluate DATA --features FILE)"
            )
    notes = [Note(f"features and labels from {gallery.source}", kind="layout")]
    notes += notes_of_cameras(tables)
    if query is not None:
        check_spelling(gallery, query)
    asked = set() if query is None or query.persons is None else set(query.persons)
    searched = {label if label is None or label.strip("0") else "0" for label in asked}
    crops: dict[str, tuple[Crop, ...]] = {}
    places: dict[tuple[str, str], int] = {}
    start = 0
    pictures: dict[tuple[str, bytes], int] = {}
    for split, table in tables.items():
        crops[split] = tuple(crop_of_row(table, row, split, searched, pictures) for row in range(len(table)))
        places |= {(split, crop.id): start + row for row, crop in enumerate(crops[split])}
        start += len(table)
    if query is not None and (gallery.names is None or query.names is None):
        notes += notes_of_equal_rows(query, gallery)
    return ReIDDataset(name, None, (), crops.get("query", ()), crops["gallery"], notes=tuple(notes)), places


def notes_of_cameras(tables: Mapping[str, FeatureTable]) -> list[Note]:
    """That no gallery crop is ignored for its camera, and why: a warning where there are cameras, but of one side."""
    cameras = {split: set(table.cameras) - {None} for split, table in tables.items() if table.cameras is not None}
    if len(cameras) < len(tables):
        only = f"; only the {next(iter(cameras))} has them" if cameras else ""
        text = f"no cameras for both sides{only}: no gallery crop is ignored for its camera"
        return [Note(text, "warning" if cameras else "info", kind="features")]
    if len(cameras) == 2 and not cameras["query"] & cameras["gallery"]:
        text = (
            f"queries and gallery have no camera in common ({first_of(cameras['query'])} there, "
            f"{first_of(cameras['gallery'])} here): no gallery crop is ignored for its camera"
        )
        return [Note(text, "warning", kind="features")]
    return []


def first_of(labels: set[str | None]) -> str:
    """The first label in their order, or that none is known."""
    return min((label for label in labels if label is not None), default="none known")


def check_spelling(gallery: FeatureTable, query: FeatureTable) -> None:
    """Raises DataError where a query's label occurs in the gallery with other leading zeros: it would match nobody."""
    for what in ("persons", "cameras"):
        asked, shown = (set(getattr(table, what) or ()) - {None} for table in (query, gallery))
        spelled = {same_form(label): label for label in shown}
        for label in sorted(asked - shown):
            if (other := spelled.get(same_form(label))) is not None:
                raise DataError(
                    f"{query.source}: {what[:-1]} {label} is written {other} in {gallery.source}; "
                    "write labels alike, with or without leading zeros"
                )


def notes_of_equal_rows(query: FeatureTable, gallery: FeatureTable) -> list[Note]:
    """A warning where queries have rows that the gallery has too: they may be the same pictures, which find themselves.

    Only of rows that no rule about cameras takes out.
    """
    if query.cameras is not None and gallery.cameras is not None:
        return []

    def keys(table: FeatureTable) -> list[tuple[bytes, str | None]]:
        rows = np.ascontiguousarray(table.features, dtype=np.float64)
        return [(row.tobytes(), person) for row, person in zip(rows, table.persons or (), strict=True)]

    shown = set(keys(gallery))
    equal = sum(key in shown for key in keys(query))
    if not equal:
        return []
    text = (
        f"{equal:,} of {len(query):,} queries have a row that the gallery has too, number by number, for the same "
        "person: a query that is itself in the gallery finds itself"
    )
    remedy = "give `names`, so that a query's own row is left out, or use --protocol leave-one-out"
    return [Note(f"{text}; {remedy}", "warning", kind="equal rows", count=equal)]


def crop_of_row(
    table: FeatureTable, row: int, split: str, searched: set[str | None], pictures: dict[tuple[str, bytes], int]
) -> Crop:
    """The crop that a row stands for. As in Market-1501, -1 is junk and 0 nobody, unless a query has that number.

    Rows of one name and the same numbers are one picture, which no protocol lets a query find as its own match:
    `pictures` numbers what was seen.
    """
    person = table.persons[row] if table.persons is not None else None
    junk = person is not None and (person == JUNK_TEXT or (person.startswith("-") and person[1:].isdecimal()))
    nobody = person is not None and not person.strip("0") and "0" not in searched and bool(searched)
    name = f"{split}/{row:06d}" if table.names is None else table.names[row]
    number = pictures.setdefault((name, np.ascontiguousarray(table.features[row]).tobytes()), len(pictures))
    return Crop(
        name,
        NO_PICTURE / str(number),
        person=None if junk or nobody else person,
        camera=None if table.cameras is None else table.cameras[row],
        junk=junk,
    )


def rows_of_dataset(
    dataset: ReIDDataset, gallery: FeatureTable, query: FeatureTable | None
) -> tuple[ReIDDataset, dict[tuple[str, str], int]]:
    """The place of every crop's features in the two tables, one after the other: by name where the file has names, else
    by the order of the crops, which is that of their file names.

    Raises DataError for crops without a row, another number of rows, and labels that contradict the data set.
    """
    if query is None and gallery.names is None:
        raise DataError(
            f"{gallery.source}: holds neither `query_features` nor `names`; give the queries' rows by --query-features"
        )
    places: dict[tuple[str, str], int] = {}
    for split, table, start in (("gallery", gallery, 0), ("query", query or gallery, len(gallery) if query else 0)):
        crops: tuple[Crop, ...] = getattr(dataset, split)
        if table.names is not None:
            found = by_name(table, crops, split)
        else:
            crops, dataset = in_order(table, dataset, split)
            found = list(range(len(crops)))
        check_persons(table, crops, found)
        check_cameras(table, crops, found)
        places |= {(split, crop.id): start + row for crop, row in zip(crops, found, strict=True)}
    return with_unused(dataset, gallery, query, set(places.values())), places


def with_unused(dataset: ReIDDataset, gallery: FeatureTable, query: FeatureTable | None, used: set[int]) -> ReIDDataset:
    """The data set with a note of the rows that are of none of its crops."""
    names = [*(gallery.names or ()), *(() if query is None else query.names or ())]
    rows = len(gallery) + (0 if query is None else len(query))
    unused = [row for row in range(rows) if row not in used]
    if not unused or len(names) != rows:
        return dataset
    text = (
        f"{len(unused):,} of {rows:,} rows are of no query or gallery crop of {dataset.name} and are left out, such as "
        f"{names[unused[0]]}"
    )
    note = Note(text, kind="features", count=len(unused), names=[names[row] for row in unused])
    return replace(dataset, notes=(*dataset.notes, note))


def in_order(table: FeatureTable, dataset: ReIDDataset, split: str) -> tuple[tuple[Crop, ...], ReIDDataset]:
    """The crops that the rows are of, by their number: all of a split, or all but junk, which is then taken out."""
    crops: tuple[Crop, ...] = getattr(dataset, split)
    kept = tuple(crop for crop in crops if not crop.junk)
    if len(table) == len(crops):
        return crops, dataset
    if len(table) == len(kept):
        gone = [crop.id for crop in crops if crop.junk]
        words = f"{split}: {len(gone):,} junk crops are left out, {table.source} has no rows for them"
        notes = (*dataset.notes, Note(words, kind="no features", names=gone))
        if split == "query":
            return kept, replace(dataset, query=kept, notes=notes)
        return kept, replace(dataset, gallery=kept, notes=notes)
    without_junk = f" ({len(kept):,} without junk)" if len(kept) != len(crops) else ""
    raise DataError(
        f"{table.source}: {len(table):,} rows for {len(crops):,} {split} crops{without_junk} of {dataset.name}; "
        "give one row for each file in the order of the sorted names, or add `names`"
    )


def by_name(table: FeatureTable, crops: Sequence[Crop], split: str) -> list[int]:
    """The row of each crop: the name is its id, or ends with it, or is its file name where no other row has that."""
    assert table.names is not None
    whole: dict[str, list[int]] = {}
    short: dict[str, list[int]] = {}
    for row, name in enumerate(table.names):
        path = PurePosixPath(name.replace("\\", "/"))
        whole.setdefault(str(path), []).append(row)
        short.setdefault(path.name, []).append(row)
    found, missing = [], []
    for crop in crops:
        rows = whole.get(crop.id, [])
        if not rows:
            alike = short.get(PurePosixPath(crop.id).name, [])
            rows = [row for row in alike if table.names[row].replace("\\", "/").endswith(f"/{crop.id}")] or alike
        if len(rows) > 1:
            raise DataError(f"{table.source}: {len(rows)} rows are called like {crop.id}; use paths, as `reidr` does")
        missing += [] if rows else [crop.id]
        found += rows
    if missing:
        raise DataError(
            f"{table.source}: {len(missing):,} of {len(crops):,} {split} crops have no row, such as {missing[0]}; "
            f"names there are such as {next(iter(table.names), 'none')}"
        )
    return found


def check_persons(table: FeatureTable, crops: Sequence[Crop], rows: Sequence[int]) -> None:
    """Raises DataError where the file's own labels say that a row shows somebody else: the order is then another."""
    if table.persons is None:
        return
    people = {same_form(crop.person) for crop in crops if crop.person is not None}
    for crop, row in zip(crops, rows, strict=True):
        said = table.persons[row]
        if said is None:
            continue
        # Distractors and junk have no person here and any mark there, but that of one of the people.
        other = same_form(said) in people if crop.person is None else same_form(said) != same_form(crop.person)
        if other:
            raise DataError(
                f"{table.source}: row {row} is of person {said}, but {crop.id} shows {crop.person or 'nobody known'}; "
                "the rows are in another order than the file names"
            )


def check_cameras(table: FeatureTable, crops: Sequence[Crop], rows: Sequence[int]) -> None:
    """Raises DataError where rows of one camera are of several of the data set's: the order is then another.

    Cameras may be numbered otherwise (from 0, say), so what they are called is not compared.
    """
    if table.cameras is None:
        return
    seen: dict[str, Crop] = {}
    for crop, row in zip(crops, rows, strict=True):
        said = table.cameras[row]
        if crop.camera is None or said is None:
            continue
        first = seen.setdefault(said, crop)
        if first.camera != crop.camera:
            raise DataError(
                f"{table.source}: camera {said} is {first.camera} for {first.id} but {crop.camera} for {crop.id}; the "
                "rows are in another order than the file names"
            )


def same_form(label: str) -> str:
    """Numbers without leading zeros."""
    return str(int(label)) if label.isdecimal() else label
