"""`reidr train retriever` with attributes: from a folder of drawn people to a model that recognises them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.data.vocabulary import CANNOT_BE_SEEN
from reidr.retrieval.embedders.attribute_recognition import AttributeRecogniser
from reidr.retrieval.embedders.retriever import Retriever
from reidr.training.retriever.stage import retriever_stage

RETRIEVER = {
    "network": {"height": 32, "width": 16, "embedding": 16, "stripes": 2, "stripe_embedding": 8},
    "imagenet": False,
    "frozen_blocks": 0,
    "epochs": 1,
    "batch_persons": 4,
    "batch_images": 2,
    "held_out_share": 0.5,
}


def test_two_runs_give_a_retriever_that_recognises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    street = StreetSettings(seed=5, train_people=24, test_people=4, cameras_per_person=2, distractors=0, junk=0)
    render_street(tmp_path / "street", street)
    first = write(tmp_path / "first.yaml", {"data": ["street"], **RETRIEVER})
    plain = retriever_stage(first, tmp_path / "identities", {})
    assert Retriever.load(plain).network.attribute_branch is None
    described = {"data": ["street"], "streets": 1, "street_people": 8, "batch": 8, "width": 8}
    second = write(tmp_path / "second.yaml", {"data": ["street"], **RETRIEVER, "attribute_recognition": described})
    model = Retriever.load(retriever_stage(second, tmp_path / "attributes", {"start": str(plain)}))
    assert "red" in model.attributes["upper colors"]
    assert CANNOT_BE_SEEN in model.attributes["upper colors"]
    assert AttributeRecogniser(model).fingerprint != model.fingerprint
    assert model.held_out == (0.5, 0)


def write(path: Path, values: dict[str, object]) -> str:
    path.write_text(yaml.safe_dump({"retriever": values}), encoding="utf-8")
    return str(path)
