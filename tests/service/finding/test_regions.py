"""Where a claim's body region lies: told by a retriever that looks for attributes, and by no other."""

from __future__ import annotations

import pytest
import torch
from gallery_of_people import Bands, drawn

from reidr.data.types import Crop
from reidr.data.vocabulary import CANNOT_BE_SEEN, FAMILIES
from reidr.reasoning.types import REGIONS
from reidr.retrieval.embedders.attribute_recognition import AttributeRecogniser, ValueCalibration
from reidr.retrieval.embedders.network import NetworkSettings, build_network
from reidr.retrieval.embedders.retriever import Retriever
from reidr.service.finding.thinking import FAMILIES_OF_REGION, regions_in

READS = {"shoes": ("boots", "sandals"), "headwear": ("none", "hat"), "shoe colors": ("black", "white")}


def test_every_region_of_a_claim_is_looked_for_by_families_that_there_are() -> None:
    assert set(FAMILIES_OF_REGION) == set(REGIONS) - {"build"}
    assert {family for own in FAMILIES_OF_REGION.values() for family in own} <= set(FAMILIES)


def test_regions_lie_where_the_attribute_branch_looks_for_their_first_family(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    settings = NetworkSettings(
        backbone="osnet-x0.25", height=32, width=16, embedding=16, stripes=2, stripe_embedding=8, attributes=READS,
        attribute_width=8,
    )  # fmt: skip
    retriever = Retriever(build_network(settings), "small", "f")
    retriever.attributes = {
        family: {value: ValueCalibration(1.0, 0.0, 0.25) for value in (*values, CANNOT_BE_SEEN)}
        for family, values in READS.items()
    }
    crop = Crop("c", drawn(1))
    seen = AttributeRecogniser(retriever).boxes(crop.open())
    assert regions_in(retriever, crop) == {"shoes": seen["shoes"], "headwear": seen["headwear"]}
    # Before it is trained it looks everywhere for everything; a trained one does not.
    boxes = {"shoe colors": (0.1, 0.8, 0.9, 1.0), "shoes": (0.2, 0.9, 0.8, 1.0), "headwear": (0.3, 0.0, 0.7, 0.2)}
    monkeypatch.setattr(AttributeRecogniser, "boxes", lambda *_: boxes)
    assert regions_in(retriever, crop) == {"shoes": boxes["shoes"], "headwear": boxes["headwear"]}


def test_a_retriever_without_attributes_tells_no_regions() -> None:
    assert regions_in(Bands(), Crop("c", drawn(1))) == {}
