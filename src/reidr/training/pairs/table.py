"""Candidate pairs with their provenance, in memory (`MinedPair`) and as a Parquet file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from reidr.core.run import content_hash, prepare_folder
from reidr.core.storage.files import writing
from reidr.data.types import Crop
from reidr.errors import DataError, MissingExtraError
from reidr.reasoning.types import Pair

CROP_COLUMNS = ("id", "image", "person", "camera", "attributes")


@dataclass(frozen=True)
class MinedPair:
    """Two crops of different cameras ranked by an embedder that was not trained on their people.

    Attributes:
        rank: of the candidate, from 1, in the query's gallery (crops of the fold and data set by other cameras).
        distance: Euclidean, of unit vectors. gap: distance less that of the query's nearest candidate.
        label: True for one person. part: "train" or "held_out". fold: which part of the people, from 0.
        retriever: fingerprint of the embedder that ranked them.
        others: (distance, label) of the query's other candidates among the first `negative_ranks`, nearest first; empty
            in files of versions that did not keep them.
    """

    query: Crop
    candidate: Crop
    dataset: str
    part: str
    fold: int
    rank: int
    distance: float
    gap: float
    label: bool
    retriever: str
    others: tuple[tuple[float, bool], ...] = ()

    def pair(self) -> Pair:
        """As the reasoner takes it, query first."""
        return Pair(self.query, self.candidate, self.distance, self.label, self.others)

    @property
    def cameras(self) -> tuple[str, str]:
        """The two cameras, in alphabetical order."""
        first, second = sorted((str(self.query.camera), str(self.candidate.camera)))
        return first, second


PLAIN_COLUMNS = ("dataset", "part", "fold", "rank", "distance", "gap", "label", "retriever")


def write_pairs(
    path: Path,
    pairs: Sequence[MinedPair],
    recipe: Mapping[str, Any],
    extra: Mapping[str, Sequence[Any]] | None = None,
) -> None:
    """Write one row per pair; `recipe` goes into the file's metadata, `extra` are further columns.

    Raises:
        DataError: a crop whose picture is in memory, so that no file could be named.
    """
    arrow, parquet = import_arrow()
    columns: dict[str, list[Any]] = {}
    for side in ("query", "candidate"):
        crops = [getattr(pair, side) for pair in pairs]
        for crop in crops:
            if isinstance(crop.image, Image.Image):
                raise DataError(
                    f"crop {crop.id}: its picture is in memory; save it to a file before mining pairs of it"
                )
        columns[f"{side}_id"] = [crop.id for crop in crops]
        columns[f"{side}_image"] = [str(crop.image.absolute()) for crop in crops]
        columns[f"{side}_person"] = [crop.person for crop in crops]
        columns[f"{side}_camera"] = [crop.camera for crop in crops]
        columns[f"{side}_attributes"] = [json.dumps(dict(crop.attributes)) for crop in crops]
    columns |= {name: [getattr(pair, name) for pair in pairs] for name in PLAIN_COLUMNS}
    columns["other_distances"] = [[distance for distance, _ in pair.others] for pair in pairs]
    columns["other_labels"] = [[label for _, label in pair.others] for pair in pairs]
    columns |= {name: list(values) for name, values in (extra or {}).items()}
    table = arrow.table(columns).replace_schema_metadata({"reidr_recipe": json.dumps(dict(recipe), default=str)})
    prepare_folder(path.parent)
    with writing(path) as file:
        parquet.write_table(table, file)


def read_mined(path: Path) -> list[MinedPair]:
    """The rows of a file of `write_pairs`, in order. Crops of one id are one object.

    Raises:
        DataError: no such file, or not a file of pairs.
    """
    columns = read_columns(path)
    missing = [name for name in (*PLAIN_COLUMNS, "query_id", "candidate_attributes") if name not in columns]
    if missing:
        raise DataError(f"{path}: has no column {missing[0]!r}; it is not a file of candidate pairs (reidr pairs)")
    crops: dict[str, Crop] = {}

    def crop(side: str, row: int) -> Crop:
        name, image, person, camera, attributes = (columns[f"{side}_{column}"][row] for column in CROP_COLUMNS)
        return crops.setdefault(
            name, Crop(name, Path(image), person, camera, attributes=json.loads(attributes or "{}"))
        )

    none: list[list[Any]] = [[]] * len(columns["query_id"])
    lists = zip(columns.get("other_distances", none), columns.get("other_labels", none), strict=True)
    return [
        MinedPair(
            crop("query", row),
            crop("candidate", row),
            **{name: columns[name][row] for name in PLAIN_COLUMNS},
            others=tuple(zip(distances, labels, strict=True)),
        )
        for row, (distances, labels) in enumerate(lists)
    ]


def read_pairs(path: Path, part: str | None = "train") -> list[Pair]:
    """The pairs of a file as the reasoner takes them: those of `part`, and of a sampled file those that were kept.

    Raises:
        DataError: as `read_mined`.
    """
    kept = read_columns(path).get("kept")
    return [
        mined.pair()
        for row, mined in enumerate(read_mined(path))
        if (part is None or mined.part == part) and (kept is None or kept[row])
    ]


def recipe_of(path: Path) -> dict[str, Any]:
    """The recipe that a file of `write_pairs` was made by; empty where it holds none."""
    _, parquet = import_arrow()
    metadata = parquet.read_schema(path).metadata or {}
    return dict(json.loads(metadata.get(b"reidr_recipe", b"{}")))


def split_of(path: Path) -> dict[str, Any]:
    """Share and seed of the identities held out when a file of pairs was mined by `folds`, and sketches of the pictures
    of its data sets; empty for other files."""
    mined = recipe_of(path)
    if mined.get("source") != "folds":
        return {}
    split = {"held_out_share": mined["held_out_share"], "split_seed": mined["seed"]}
    return split | ({"pictures": mined["pictures"]} if "pictures" in mined else {})


def pairs_hash(pairs: Sequence[Pair]) -> str:
    """A hash of the crops of every pair and of the labels."""
    return content_hash([f"{pair.query.id} {pair.candidate.id} {pair.label}" for pair in pairs])


def read_columns(path: Path) -> dict[str, list[Any]]:
    """All columns of a Parquet file as lists. Raises DataError where it cannot be read."""
    arrow, parquet = import_arrow()
    if not path.is_file():
        raise DataError(f"{path}: no such file of pairs; `reidr pairs` writes one")
    try:
        columns: dict[str, list[Any]] = parquet.read_table(path).to_pydict()
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a whole Parquet file ({' '.join(str(error).split())})") from None
    return columns


def import_arrow() -> tuple[Any, Any]:
    """pyarrow and its Parquet module, which come with `reidr[train]`. Raises MissingExtraError."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pairs are kept in Parquet files; install with: pip install 'reidr[train]'") from None
    return pyarrow, pyarrow.parquet
