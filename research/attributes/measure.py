"""What attribute recognition is worth: Market-1501's official test, PETA's and drawn strangers, people's sentences.

    python research/attributes/measure.py --data ../shared/data --retriever lite --json runs/attributes.json

A value is said to be there where its calibrated probability is above its share among training people, and of several
colours the one furthest above: the rule with the best balanced accuracy, fixed on training people.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.core.progress import progress
from reidr.data.join import join_training
from reidr.data.load import load_dataset
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import street_crops
from reidr.data.types import Crop, ReIDDataset
from reidr.data.vocabulary import VALUES
from reidr.evaluation.metrics.calibration import expected_calibration_error
from reidr.evaluation.metrics.roc_area import roc_area
from reidr.evaluation.metrics.statistics import bootstrap_interval
from reidr.retrieval.embedders.attribute_recognition import FAMILIES, AttributeRecogniser, AttributeTable
from reidr.retrieval.embedders.embedder import embed_crops
from reidr.retrieval.embedders.preprocess import load
from reidr.retrieval.embedders.retriever import Retriever
from reidr.search.words.parse import parse_description
from reidr.search.words.rank import rank_by_description
from reidr.training.common.identities import hold_out_identities
from reidr.training.retriever.attributes.targets import marks_of

FEWEST = 10
COLUMN = {value: column for column, value in enumerate(VALUES)}
YES = {  # Market's attribute → the value of the vocabulary that says yes, and what the table writes for it
    "backpack": (("carried", "backpack"), "yes"),
    "shoulder_bag": (("carried", "shoulder bag"), "yes"),
    "handbag": (("carried", "handbag"), "yes"),
    "hat": (("headwear", "hat"), "yes"),
    "hair_length": (("hair length", "long"), "long"),
    "sleeve": (("sleeves", "short"), "short"),
    "lower_kind": (("lower garment", "skirt"), "dress"),
    "lower_length": (("lower length", "short"), "short"),
}
COLORS = {"upper_color": "upper colors", "lower_color": "lower colors"}
RGB = {
    "black": (20, 20, 20), "white": (225, 225, 225), "gray": (128, 128, 128), "red": (170, 35, 40),
    "orange": (225, 125, 40), "yellow": (220, 200, 60), "green": (50, 120, 60), "blue": (45, 70, 150),
    "purple": (110, 50, 120), "pink": (225, 140, 170), "brown": (105, 70, 45), "beige": (205, 185, 150),
}  # fmt: skip


def table_of(recogniser: AttributeRecogniser, crops: Sequence[Crop], what: str) -> AttributeTable:
    with progress(what, len(crops)) as advance:
        return recogniser.table(embed_crops(recogniser, crops, advance=advance))


def said_of(table: AttributeTable) -> NDArray[np.float64]:
    """(crops, values) log of how far each probability is above its share; above 0 it is said to be there."""
    chance = np.clip(table.values.astype(float), 1e-6, 1 - 1e-6)
    share = np.clip(table.shares.astype(float), 1e-6, 1 - 1e-6)
    return np.log(chance / (1 - chance)) - np.log(share / (1 - share))


def market(data: Path, recogniser: AttributeRecogniser) -> dict[str, Any]:
    """Mean balanced accuracy of the ten attributes on the official test queries, 95 % interval over persons."""
    crops = load_dataset(data / "market1501").query
    said = said_of(table_of(recogniser, crops, "Market-1501's test queries"))
    truths = {name: np.array([crop.attributes[name] for crop in crops]) for name in (*YES, *COLORS)}
    answers: dict[str, NDArray[Any]] = {}
    for name, (value, word) in YES.items():
        truths[name] = truths[name] == word
        answers[name] = said[:, COLUMN[value]] > 0
    for name, family in COLORS.items():
        own = sorted(set(truths[name]) - {"other"})
        answers[name] = np.array(own)[said[:, [COLUMN[family, color] for color in own]].argmax(axis=1)]
        answers[name] = np.where(truths[name] == "other", "other", answers[name])  # the table does not say which
    people = np.array([str(crop.person) for crop in crops])

    def mean(rows: NDArray[np.int64]) -> float:
        return float(np.mean([balanced(truths[n][rows], answers[n][rows]) for n in truths]))

    everything = np.arange(len(crops))
    each = {name: 100 * balanced(truths[name], answers[name]) for name in truths}
    return {"mean": 100 * mean(everything), "interval": over_persons(mean, people), "attributes": each}


def balanced(truth: NDArray[Any], said: NDArray[Any]) -> float:
    """Mean recall over the values that occur; "other" is none."""
    values = [value for value in np.unique(truth) if value != "other"]
    return float(np.mean([(said[truth == value] == value).mean() for value in values]))


def over_persons(mean: Callable[[NDArray[np.int64]], float], people: NDArray[np.str_], draws: int = 200) -> list[float]:
    """95 % percentile bootstrap over persons, in percent."""
    random, names = np.random.default_rng(0), np.unique(people)
    rows = {name: np.flatnonzero(people == name) for name in names}
    drawn = [np.concatenate([rows[n] for n in random.choice(names, len(names))]) for _ in range(draws)]
    return [float(100 * end) for end in np.quantile([mean(each) for each in drawn], (0.025, 0.975))]


def by_value(crops: Sequence[Crop], recogniser: AttributeRecogniser, what: str) -> dict[str, Any]:
    """Mean balanced accuracy over the values with enough crops of each kind; unseen families count as known."""
    table = table_of(recogniser, crops, what)
    said, truth = said_of(table) > 0, marks_of(crops)[0]
    people = np.array([str(crop.person) for crop in crops])
    columns = [
        column
        for column in range(len(VALUES))
        if min((truth[:, column] == 1).sum(), (truth[:, column] == 0).sum()) >= FEWEST
        and np.isfinite(table.values[0, column])
    ]

    def one(column: int, rows: NDArray[np.int64]) -> float:
        own = truth[rows, column]
        parts = [(said[rows, column][own == value] == bool(value)).mean() for value in (0, 1) if (own == value).any()]
        return float(np.mean(parts))

    def mean(rows: NDArray[np.int64]) -> float:
        return float(np.mean([one(column, rows) for column in columns]))

    everything = np.arange(len(crops))
    families: dict[str, list[float]] = {}
    for column in columns:
        families.setdefault(VALUES[column][0], []).append(100 * one(column, everything))
    return {
        "mean": 100 * mean(everything),
        "interval": over_persons(mean, people),
        "values": len(columns),
        "people": len(set(people)),
        "crops": len(crops),
        "families": {family: float(np.mean(own)) for family, own in families.items()},
        "unseen": hidden_area(table, crops),
        "calibration error": calibration_error(table, truth),
    }


def calibration_error(table: AttributeTable, truth: NDArray[np.int8]) -> float:
    """Expected calibration error over all values that are known, in percent."""
    known = (truth >= 0) & np.isfinite(table.values)
    return 100 * expected_calibration_error(table.values[known], truth[known] == 1)


def hidden_area(table: AttributeTable, crops: Sequence[Crop]) -> float | None:
    """AUC of "cannot be seen" over all families for which the source says it of any crop."""

    hidden = marks_of(crops)[1]
    columns = [column for column in range(len(FAMILIES)) if 0 < hidden[:, column].sum() < len(crops)]
    if not columns:
        return None
    return float(np.mean([roc_area(table.hidden[:, column], hidden[:, column] == 1) for column in columns]))


def sentences(dataset: ReIDDataset, held_out: set[str], recogniser: AttributeRecogniser) -> dict[str, Any]:
    """Sentences about held-out persons, searched among all of their crops: Rank-1, Rank-5, mAP; the same by colours."""
    crops = [crop for crop in join_training([dataset]) if crop.person in held_out]
    described = [(sentence, f"{dataset.name}:{c.person}") for c in dataset.captions for sentence in c.sentences]
    asked = [(sentence, person) for sentence, person in described if person in held_out]
    people = np.array([str(crop.person) for crop in crops])
    probabilities = table_of(recogniser, crops, f"{dataset.name}: crops of held-out people").expected()
    shares = np.stack([color_shares(crop) for crop in crops])
    by_words, by_colors = [], []
    for sentence, person in asked:
        query = parse_description(sentence)
        by_words.append(places(rank_by_description(query, probabilities).scores, people == person))
        named = sorted(
            {value for term in query.terms if term.wanted for f, value in term.values if f.endswith("colors")}
        )
        columns = [list(RGB).index(color) for color in named]
        by_colors.append(places(np.log(shares[:, columns] + 0.01).sum(axis=1), people == person))
    owners = np.array([person for _, person in asked])
    return {
        "sentences": len(asked),
        "people": len(set(owners)),
        "crops": len(crops),
        "attributes": figures(by_words, owners),
        "colour histogram": figures(by_colors, owners),
        "chance Rank-1": 100 * float(np.mean([(people == person).mean() for person in owners])),
    }


def color_shares(crop: Crop) -> NDArray[np.float64]:
    """(colours,) share of the body's pixels that are nearest to each colour of the vocabulary."""
    pixels = np.asarray(load(crop, 64, 32), float)[8:, 4:28].reshape(-1, 3)
    palette = np.array(list(RGB.values()), float)
    nearest = np.square(pixels[:, None] - palette[None]).sum(axis=2).argmin(axis=1)
    counts: NDArray[np.float64] = np.bincount(nearest, minlength=len(palette)) / len(pixels)
    return counts


def places(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, float, float]:
    """(Rank-1, Rank-5, average precision); of equal scores wrong crops come first."""
    order = np.lexsort((right, -scores))
    hits = right[order]
    precision = np.cumsum(hits)[hits] / (np.flatnonzero(hits) + 1)
    return float(hits[0]), float(hits[:5].any()), float(precision.mean())


def figures(rows: Sequence[tuple[float, float, float]], owners: NDArray[np.str_]) -> dict[str, Any]:
    values = 100 * np.array(rows)
    groups = np.unique(owners, return_inverse=True)[1]
    return {
        name: [float(values[:, i].mean()), *bootstrap_interval(values[:, i], groups=groups)]
        for i, name in enumerate(("Rank-1", "Rank-5", "mAP"))
    }


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--data", type=Path, default=Path("../shared/data"))
    wanted.add_argument("--retriever", default="lite")
    wanted.add_argument("--test", action="store_true", help="look at Market-1501's official test people too")
    wanted.add_argument("--json", type=Path)
    asked = wanted.parse_args()
    recogniser = AttributeRecogniser(Retriever.load(asked.retriever))
    photos = [load_dataset(asked.data / name) for name in ("market1501", "cuhk03-np-train", "peta")]
    _, strangers = hold_out_identities(join_training(photos), 0.1, 0)
    held_out = {str(crop.person) for crop in strangers}
    found: dict[str, Any] = json.loads(asked.json.read_text("utf-8")) if asked.json and asked.json.is_file() else {}
    for name in ("market1501", "peta"):
        own = [crop for crop in strangers if str(crop.person).startswith(name)]
        found[f"{name}, held-out persons"] = by_value(own, recogniser, f"{name}, held-out persons")
    street = StreetSettings(seed=13, train_people=200, cameras_per_person=2, crops_per_camera=1, distractors=0, junk=0)
    found["drawn strangers"] = by_value(list(street_crops(street, "train")), recogniser, "drawn strangers")
    for dataset in photos[:2]:
        found[f"sentences, {dataset.name}"] = sentences(dataset, held_out, recogniser)
    if asked.test:
        found["market1501, official test queries"] = market(asked.data, recogniser)
    text = json.dumps(found, indent=1)
    print(text)
    if asked.json:
        asked.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
