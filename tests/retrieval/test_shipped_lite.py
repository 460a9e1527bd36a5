"""The shipped retriever `lite` reads drawn people whom it never saw, and finds them again."""

from __future__ import annotations

import numpy as np
import pytest

from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import street_crops
from reidr.data.vocabulary import VALUES
from reidr.evaluation.metrics import evaluate_features
from reidr.evaluation.metrics.roc_area import roc_area
from reidr.retrieval.embedders.embedder import embed_crops, facts_of
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.retrieval.embedders.retriever import Retriever
from reidr.search.description import recogniser_of
from reidr.training.retriever.attributes.targets import marks_of


@pytest.fixture(scope="module")
def lite() -> Retriever:
    return Retriever.load("lite")


@pytest.fixture(scope="module")
def crops():  # type: ignore[no-untyped-def]
    settings = StreetSettings(seed=77, train_people=40, cameras_per_person=2, crops_per_camera=1, distractors=0, junk=0)
    return list(street_crops(settings, "train"))


def test_it_says_among_how_many_crops_its_thresholds_were_chosen_and_is_still_the_same(lite: Retriever) -> None:
    """Profiles of reasoners, and galleries that were made before, are bound to this fingerprint."""
    assert lite.fingerprint == "dfd0eef72c20a2e935536d5e7c5491ee454166ea578ba13be73f4dc315fff309"
    assert facts_of(lite).threshold_crops == pytest.approx(492.6, abs=0.1)


def test_it_tells_colours_apart(lite: Retriever, crops) -> None:  # type: ignore[no-untyped-def]
    recogniser = recogniser_of(lite)
    table, truth = recogniser.table(embed_crops(recogniser, crops)), marks_of(crops)[0]
    areas = []
    for column, (family, _) in enumerate(VALUES):
        known = truth[:, column] >= 0
        if family in ("upper colors", "lower colors") and min((truth[known, column] == v).sum() for v in (0, 1)) >= 3:
            areas.append(roc_area(table.values[known, column], truth[known, column] == 1))
    assert len(areas) >= 8
    assert np.mean(areas) > 0.8


def test_it_finds_people_again(lite: Retriever, crops) -> None:  # type: ignore[no-untyped-def]
    """Among people drawn as look-alikes, who are hard to tell apart, far better than by their colours."""
    people, cameras = [crop.person for crop in crops], [crop.camera for crop in crops]
    found = []
    for embedder in (lite, HistogramEmbedder()):
        features = embed_crops(embedder, crops)
        found.append(evaluate_features(features, features, people, people, cameras, cameras).mean_average_precision)
    assert found[0] > 0.45
    assert found[0] > 1.5 * found[1]
