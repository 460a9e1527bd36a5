"""Thresholds and fusion weights come from people the models never saw, and mean what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from reidr.data.protocols.crops_compared import crops_compared
from reidr.data.protocols.trial import find_protocol, trials
from reidr.data.types import Crop, ReIDDataset
from reidr.training.retriever.thresholds import choose_thresholds
from reidr.training.tuning.choices import best_weight
from reidr.training.tuning.searches import as_search


@contextmanager
def silent(what: str, total: int) -> Iterator:  # type: ignore[type-arg]
    yield lambda steps: None


class ByPixel:
    """Embeds a picture as a point on a circle, at the angle its first pixel's red value says."""

    name = fingerprint = "by pixel"

    def embed_pictures(self, pictures: list[Image.Image]) -> NDArray[np.float32]:
        angles = np.array([np.asarray(picture)[0, 0, 0] / 255 * np.pi for picture in pictures])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def crops(people: int, spread: int = 1) -> list[Crop]:
    """Every person has a red value of its own, four crops in two cameras that differ by up to `spread`."""
    made = []
    for person in range(people):
        for image in range(4):
            red = 5 + person * (245 // people) + (image % 2) * spread
            picture = Image.new("RGB", (8, 8), (red, 0, 0))
            made.append(Crop(f"{person:03d}/{image}", picture, person=str(person), camera=str(image % 2)))
    return made


def test_a_search_asks_for_everybody_once_per_camera_and_keeps_the_rest() -> None:
    search = as_search("s", crops(10), 1000, 0)
    assert len(search.query) == 20
    assert len(search.gallery) == 20
    assert not {c.id for c in search.query} & {c.id for c in search.gallery}
    assert len(as_search("s", crops(10), 7, 0).query) == 7


def test_people_of_one_camera_are_no_queries() -> None:
    lone = [Crop(f"x{i}", Image.new("RGB", (8, 8)), person="lone", camera="0") for i in range(3)]
    search = as_search("s", [*crops(3), *lone], 1000, 0)
    assert "lone" not in {crop.person for crop in search.query}


def test_thresholds_grow_with_the_wanted_rate_and_hold_it() -> None:
    found = choose_thresholds(crops(40), ByPixel(), 0, silent)  # type: ignore[arg-type]
    values = [found.by_rate[key] for key in ("0.01", "0.05", "0.1")]
    assert values == sorted(values)
    # Neighbours are 6 of 255 red values apart, a person's own crops 1: a threshold below the neighbour's distance.
    assert 0 < values[0] < 2 * np.sin(6 / 255 * np.pi / 2) + 1e-6
    # Half of 40 people were left in the gallery, each with two crops that are no queries: all that a stranger meets.
    assert found.facts() == {"thresholds": found.by_rate, "threshold_crops": 40.0}


def test_of_joined_data_sets_the_crops_of_the_query_s_own_one_count() -> None:
    """Two data sets, as `join_training` labels them; strangers of the other one are left out of the number."""
    joined = [
        replace(crop, id=f"{name}/{crop.id}", person=f"{name}:{crop.person}", camera=f"{name}:{crop.camera}")
        for name, people in (("first", 30), ("second", 6))
        for crop in crops(people)
    ]
    (trial,) = trials(as_search("s", joined, 1000, 0), find_protocol("open-set"), 0)
    gallery = Counter(str(crop.person).split(":")[0] for crop in trial.gallery)
    strangers = [str(crop.person).split(":")[0] for crop, m in zip(trial.query, trial.mated, strict=True) if not m]
    assert crops_compared(trial, joined=True) == pytest.approx(np.mean([gallery[name] for name in strangers]))
    assert crops_compared(trial) == len(trial.gallery) > crops_compared(trial, joined=True)
    found = choose_thresholds(joined, ByPixel(), 0, silent)  # type: ignore[arg-type]
    assert found.crops == pytest.approx(crops_compared(trial, joined=True))


def test_ignored_crops_are_not_counted() -> None:
    """A mated query's own camera is ignored for it; strangers meet everybody but junk."""
    seen = [*crops(3), Crop("junk", Image.new("RGB", (8, 8)), person=None, camera="0", junk=True)]
    query = (seen[0], Crop("q", Image.new("RGB", (8, 8)), person="nobody", camera="0"))
    dataset = ReIDDataset("s", None, query=query, gallery=tuple(seen))
    (trial,) = trials(dataset, find_protocol("standard"), 0)
    assert trial.mated.tolist() == [True, False]
    assert crops_compared(trial) == 12
    assert crops_compared(replace(trial, query=query[:1])) == 10
    assert crops_compared(replace(trial, query=())) == 0


def test_too_few_people_give_no_threshold() -> None:
    assert choose_thresholds(crops(4), ByPixel(), 0, silent).facts() == {"thresholds": {}}  # type: ignore[arg-type]
    assert choose_thresholds([], ByPixel(), 0, silent).facts() == {"thresholds": {}}  # type: ignore[arg-type]


def test_the_best_weight_is_the_smallest_of_equals() -> None:
    from reidr.fusion.weighted import WEIGHTS

    assert best_weight([(w, w, 0.0) for w in WEIGHTS]) == 1.0
    assert best_weight([(w, 1 - abs(w - 0.3), 0.0) for w in WEIGHTS]) == 0.3
    assert best_weight([(w, 0.5, 0.0) for w in WEIGHTS]) == 0.0
