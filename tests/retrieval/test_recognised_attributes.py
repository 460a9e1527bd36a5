"""Reading attributes: the branch of the network, calibrated probabilities in the order of the vocabulary."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pictures import SMALL, pictures, small_network

from reidr.data.vocabulary import CANNOT_BE_SEEN, VALUES
from reidr.errors import ReIDError, WeightsError
from reidr.retrieval.embedders.attribute_recognition import (
    FAMILIES,
    AttributeRecogniser,
    AttributeTable,
    ValueCalibration,
)
from reidr.retrieval.embedders.retriever import Retriever, save_retriever
from reidr.search.description import recogniser_of

READS = {"shoes": ("boots", "sandals"), "headwear": ("none", "hat"), "gloves": ("yes",)}  # of another vocabulary too


def reading(slope: float = 1.0, offset: float = 0.0) -> Retriever:
    retriever = Retriever(
        small_network(SMALL.model_copy(update={"attributes": READS, "attribute_width": 8})), "small", "f"
    )
    retriever.attributes = {
        family: {value: ValueCalibration(slope, offset, 0.25) for value in (*values, CANNOT_BE_SEEN)}
        for family, values in READS.items()
    }
    return retriever


def test_a_network_without_a_branch_recognises_nothing() -> None:
    with pytest.raises(WeightsError, match="was not trained to recognise attributes"):
        AttributeRecogniser(Retriever(small_network(), "small", "f"))
    with pytest.raises(ReIDError, match="recognises no attributes"):
        small_network().recognise_attributes(None)  # type: ignore[arg-type]


def test_probabilities_stand_in_the_order_of_the_vocabulary_and_others_are_unknown() -> None:
    reader = AttributeRecogniser(reading())
    rows = reader.embed_pictures(pictures(3))
    assert rows.shape == (3, len(VALUES) + len(FAMILIES))
    table = reader.table(rows)
    known = {VALUES[column] for column in np.flatnonzero(np.isfinite(table.values[0]))}
    assert known == {("shoes", "boots"), ("shoes", "sandals"), ("headwear", "none"), ("headwear", "hat")}
    # By hand: the mean logit of a crop and its mirror image, through the logistic function.
    network, settings = reader.retriever.network, reader.retriever.settings
    import torch

    from reidr.retrieval.embedders.preprocess import normalise, resize

    picture = np.stack([resize(pictures(3)[1], settings.height, settings.width)])
    with torch.inference_mode():
        pixels = normalise(picture, settings.mean, settings.std)
        logits = (network.recognise_attributes(pixels)[0] + network.recognise_attributes(pixels.flip(3))[0]) / 2
    boots = table.of(1)["shoes"]["boots"]
    assert boots == pytest.approx(1 / (1 + np.exp(-float(logits[0, 0]))), abs=1e-5)
    assert list(table.of(1)["shoes"]) == ["boots", "sandals", CANNOT_BE_SEEN]
    assert "gloves" not in table.of(1)


def test_calibration_is_applied_value_by_value() -> None:
    plain, surer = (
        AttributeRecogniser(reading(slope, offset)).embed_pictures(pictures(4)) for slope, offset in ((1, 0), (2, 1))
    )
    known = plain >= 0
    odds = np.log(plain[known] / (1 - plain[known]))
    np.testing.assert_allclose(surer[known], 1 / (1 + np.exp(-(2 * odds + 1))), atol=1e-5)


def test_what_cannot_be_seen_is_as_likely_as_of_anybody() -> None:
    values = np.full((2, len(VALUES)), np.nan, np.float32)
    hidden = np.full((2, len(FAMILIES)), np.nan, np.float32)
    shares = np.full(len(VALUES), np.nan, np.float32)
    column = VALUES.index(("headwear", "hat"))
    values[:, column], shares[column] = 0.9, 0.1
    hidden[:, FAMILIES.index("headwear")] = 0.0, 0.75
    expected = AttributeTable(values, hidden, shares).expected()
    np.testing.assert_allclose(expected[:, column], [0.9, 0.25 * 0.9 + 0.75 * 0.1], rtol=1e-6)
    assert np.isnan(np.delete(expected, column, axis=1)).all()


def test_branch_and_calibration_survive_a_folder(tmp_path) -> None:
    retriever = reading(1.5, -0.5)
    stored = {
        family: {value: vars(own) for value, own in values.items()} for family, values in retriever.attributes.items()
    }
    save_retriever(retriever.network, tmp_path / "model", {"attributes": stored})
    again = Retriever.load(tmp_path / "model")
    assert again.attributes == retriever.attributes
    one, other = (AttributeRecogniser(each).embed_pictures(pictures(2)) for each in (retriever, again))
    np.testing.assert_allclose(one, other, atol=2e-3)  # half precision
    path = tmp_path / "model" / "retriever.json"
    content = json.loads(path.read_text())
    content["trained"]["attributes"]["shoes"]["boots"] = {"steepness": 1}
    path.write_text(json.dumps(content))
    with pytest.raises(WeightsError, match="not a retriever's settings"):
        Retriever.load(tmp_path / "model")


@pytest.mark.parametrize("flip", [False, True])
def test_embedding_and_attributes_at_once_are_what_they_are_apart(flip: bool) -> None:
    retriever = reading()
    retriever.settings = retriever.network.settings = retriever.settings.model_copy(update={"flip": flip})
    reader = AttributeRecogniser(retriever)
    rows, read = reader.embed_too(pictures(5))
    assert np.array_equal(rows, retriever.embed_pictures(pictures(5)))
    assert np.array_equal(read, reader.embed_pictures(pictures(5)))
    assert [each.shape[0] for each in reader.embed_too([])] == [0, 0]


def test_a_retriever_may_name_another_that_recognises_attributes_for_it(tmp_path) -> None:
    eyes = reading(1.5, -0.5)
    stored = {family: {value: vars(own) for value, own in values.items()} for family, values in eyes.attributes.items()}
    save_retriever(eyes.network, tmp_path / "eyes", {"attributes": stored})
    save_retriever(small_network(SMALL.model_copy(update={"embedding": 24})), tmp_path / "plain", {})
    with pytest.raises(WeightsError, match="was not trained to recognise attributes"):
        recogniser_of(Retriever.load(tmp_path / "plain"))
    path = tmp_path / "plain" / "retriever.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "recogniser": str(tmp_path / "eyes")}))
    plain = Retriever.load(tmp_path / "plain")
    reader = recogniser_of(plain)
    rows, read = reader.embed_too(pictures(3))
    assert np.array_equal(rows, plain.embed_pictures(pictures(3)))
    own = AttributeRecogniser(Retriever.load(tmp_path / "eyes"))
    assert np.array_equal(read, own.embed_pictures(pictures(3)))
    assert reader.fingerprint == own.fingerprint
