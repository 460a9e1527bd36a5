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
from reidr.service.finding.thinking import FAMILIES_OF_REGION, is_plausible, regions_in

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
    # Before it is trained it looks everywhere for everything, which says nothing; a trained one does not.
    seen = AttributeRecogniser(retriever).boxes(crop.open())
    assert set(seen) == set(READS)
    assert regions_in(retriever, crop) == {}
    boxes = {"shoe colors": (0.1, 0.8, 0.9, 1.0), "shoes": (0.2, 0.9, 0.8, 1.0), "headwear": (0.3, 0.0, 0.7, 0.2)}
    monkeypatch.setattr(AttributeRecogniser, "boxes", lambda *_: boxes)
    assert regions_in(retriever, crop) == {"shoes": boxes["shoes"], "headwear": boxes["headwear"]}


@pytest.mark.parametrize(
    ("region", "box", "plausible"),
    [
        ("hair", (0.3, 0.0, 0.7, 0.3), True),
        ("hair", (0.56, 0.0, 0.9, 0.3), False),  # beside the head
        ("hair", (0.3, 0.3, 0.7, 0.6), False),  # at the waist
        ("headwear", (0.3, 0.2, 0.7, 0.4), False),
        ("headwear", (0.0, 0.0, 1.0, 1.0), False),  # flat
        ("upper clothing", (0.2, 0.15, 0.8, 0.5), True),
        ("upper clothing", (0.05, 0.05, 0.95, 0.95), False),
        ("lower clothing", (0.2, 0.5, 0.8, 0.9), True),
        ("lower clothing", (0.2, 0.1, 0.8, 0.4), False),
        ("shoes", (0.2, 0.85, 0.8, 1.0), True),
        ("shoes", (0.35, 0.22, 0.75, 1.0), False),
        ("bag", (0.6, 0.3, 1.0, 0.6), True),  # at the side
    ],
)
def test_a_place_that_cannot_be_right_is_not_told(
    region: str, box: tuple[float, float, float, float], plausible: bool
) -> None:
    assert is_plausible(region, box) is plausible


def test_a_retriever_without_attributes_tells_no_regions() -> None:
    assert regions_in(Bands(), Crop("c", drawn(1))) == {}
