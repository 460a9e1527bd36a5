"""What `nano` recognises: calibrated probabilities, what tokens are told of them, and how far two crops agree."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reidr.data.vocabulary import CANNOT_BE_SEEN, FAMILIES, VALUES, VOCABULARY
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.nano.attributes import LEAST_SHARE, UNCALIBRATED, RecognisedAttributes
from reidr.reasoning.nano.build import build_convolutional
from reidr.reasoning.nano.model import ConvolutionalForConditionalGeneration
from reidr.retrieval.embedders.attribute_recognition import AttributeRecogniser, ValueCalibration
from reidr.retrieval.embedders.network import NetworkSettings, build_network
from reidr.retrieval.embedders.retriever import Retriever

# Two families of which one value is true, one of which several may be; the last one in an order of its own.
READS = {"headwear": ("none", "hat"), "upper colors": ("red", "blue", "white"), "sleeves": ("none", "short", "long")}
PAIRS = [(family, value) for family, values in READS.items() for value in values]
SHARES = {
    ("headwear", "none"): 0.8, ("headwear", "hat"): 0.2,
    ("upper colors", "red"): 0.1, ("upper colors", "blue"): 0.3, ("upper colors", "white"): 0.25,
    ("sleeves", "none"): 0.05, ("sleeves", "short"): 0.35, ("sleeves", "long"): 0.6,
}  # fmt: skip


def calibrations(shares: dict[tuple[str, str], float], random: np.random.Generator | None = None) -> dict[str, Any]:
    """Slopes and offsets by lot, or 1 and 0; of "cannot be seen" too."""
    found: dict[str, dict[str, ValueCalibration]] = {}
    for family, value in [*shares, *dict.fromkeys((family, CANNOT_BE_SEEN) for family, _ in shares)]:
        slope, offset = (1.0, 0.0) if random is None else (float(random.uniform(0.2, 2)), float(random.normal()))
        found.setdefault(family, {})[value] = ValueCalibration(slope, offset, shares.get((family, value), 0.5))
    return found


def recognised(out: int = 4, shares: dict[tuple[str, str], float] = SHARES) -> RecognisedAttributes:
    torch.manual_seed(0)
    own = RecognisedAttributes(READS, out)
    own.calibrate(calibrations(shares))
    return own


def row(values: dict[tuple[str, str], float], hidden: dict[str, float] | None = None) -> torch.Tensor:
    """(1, size) probabilities: 0 where `values` says nothing, 0 hidden likewise."""
    shown = [values.get(pair, 0.0) for pair in PAIRS]
    return torch.tensor([shown + [(hidden or {}).get(family, 0.0) for family in READS]])


def naive_agreement(a: list[float], b: list[float], shares: dict[tuple[str, str], float]) -> list[float]:
    """The same by loops, family by family, value by value."""
    found = []
    for number, family in enumerate(READS):
        places = [place for place, pair in enumerate(PAIRS) if pair[0] == family and pair in shares]
        prior = {place: min(max(shares[PAIRS[place]], LEAST_SHARE), 1 - LEAST_SHARE) for place in places}
        if FAMILIES[family].several:
            factor = 1.0
            for place in places:
                share, p, q = prior[place], a[place], b[place]
                factor *= p * q / share + (1 - p) * (1 - q) / (1 - share)
        else:
            sums = [sum(each[place] for place in places) for each in (a, b)]
            whole = sum(prior.values())
            factor = sum(a[p] / sums[0] * b[p] / sums[1] / (prior[p] / whole) for p in places)
        seen = (1 - a[len(PAIRS) + number]) * (1 - b[len(PAIRS) + number])
        found.append(math.log(seen * min(max(factor, 1e-4), 1e4) + 1 - seen))
    return found


def test_agreement_is_that_of_a_naive_twin_and_symmetric() -> None:
    own, random = recognised(), np.random.default_rng(0)
    a, b = (torch.tensor(random.uniform(0.01, 0.99, (40, own.size)), dtype=torch.float32) for _ in range(2))
    found = own.agreement(a, b)
    assert found.shape == (40, len(READS))
    wanted = [naive_agreement(one, other, SHARES) for one, other in zip(a.tolist(), b.tolist(), strict=True)]
    torch.testing.assert_close(found, torch.tensor(wanted), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found, own.agreement(b, a), atol=1e-6, rtol=1e-6)
    assert own.agreement(a.half(), b.half()).dtype == torch.float16


def test_a_value_that_was_not_calibrated_weighs_nothing() -> None:
    left_out = (("upper colors", "blue"), ("sleeves", "none"))
    known = {pair: share for pair, share in SHARES.items() if pair not in left_out}
    own, random = recognised(shares=known), np.random.default_rng(1)
    a, b = (torch.tensor(random.uniform(0.01, 0.99, (10, own.size)), dtype=torch.float32) for _ in range(2))
    found = own.agreement(a, b)
    wanted = [naive_agreement(one, other, known) for one, other in zip(a.tolist(), b.tolist(), strict=True)]
    torch.testing.assert_close(found, torch.tensor(wanted), atol=1e-4, rtol=1e-4)
    for pair in left_out:
        a[:, PAIRS.index(pair)] = 0.5
    torch.testing.assert_close(found, own.agreement(a, b))


@pytest.mark.parametrize("family", list(READS))
def test_a_family_of_which_nothing_was_calibrated_weighs_nothing(family: str) -> None:
    own = recognised(shares={pair: share for pair, share in SHARES.items() if pair[0] != family})
    random = np.random.default_rng(2)
    a, b = (torch.tensor(random.uniform(0.01, 0.99, (10, own.size)), dtype=torch.float32) for _ in range(2))
    found = own.agreement(a, b)
    assert (found[:, list(READS).index(family)] == 0).all()
    assert (found != 0).any()


SURE_HAT, NO_HAT = {("headwear", "hat"): 1.0}, {("headwear", "none"): 1.0}
RED, RED_AND_BLUE = {("upper colors", "red"): 1.0}, {("upper colors", "red"): 1.0, ("upper colors", "blue"): 1.0}
AS_USUAL = {pair: share for pair, share in SHARES.items() if pair[0] == "upper colors"}


@pytest.mark.parametrize(
    ("family", "a", "b", "factor"),
    [
        ("headwear", SURE_HAT, SURE_HAT, 1 / 0.2),  # a hat is worn by one of five
        ("headwear", NO_HAT, NO_HAT, 1 / 0.8),
        ("headwear", SURE_HAT, NO_HAT, 1e-4),  # no sooner impossible than one in ten thousand
        ("headwear", SURE_HAT, {("headwear", "none"): 0.8, ("headwear", "hat"): 0.2}, 1.0),  # b says nothing
        ("headwear", {("headwear", "hat"): 0.5}, SURE_HAT, 1 / 0.2),  # one of them is true: of the values, half is all
        ("upper colors", RED, RED, 1 / 0.1 / 0.7 / 0.75),  # red as well, no blue, no white
        ("upper colors", RED_AND_BLUE, RED_AND_BLUE, 1 / 0.1 / 0.3 / 0.75),
        ("upper colors", RED, RED_AND_BLUE, 1e-12),
        ("upper colors", AS_USUAL, RED, 1.0),
        ("upper colors", AS_USUAL, AS_USUAL, 1.0),
    ],
)
def test_agreement_by_hand(
    family: str, a: dict[tuple[str, str], float], b: dict[tuple[str, str], float], factor: float
) -> None:
    found = recognised().agreement(row(a), row(b))[0, list(READS).index(family)]
    if factor > 1e-6:
        assert float(found) == pytest.approx(math.log(factor), abs=1e-4)
    else:
        assert float(found) < math.log(1e-4)


def test_what_cannot_be_seen_weighs_nothing_and_what_may_be_hidden_weighs_less() -> None:
    own = recognised()

    def hats(a: float, b: float) -> float:
        one, other = (row(SURE_HAT, {"headwear": hidden}) for hidden in (a, b))
        return float(own.agreement(one, other)[0, 0])

    assert hats(1, 0) == hats(0, 1) == hats(1, 1) == 0.0
    assert hats(0.5, 0) == pytest.approx(math.log(0.5 * 5 + 0.5), abs=1e-4)
    assert hats(0.5, 0.5) == pytest.approx(math.log(0.25 * 5 + 0.75), abs=1e-4)
    # A difference in what may be hidden is not held against anybody for certain.
    unlike = own.agreement(row(SURE_HAT, {"headwear": 0.5}), row(NO_HAT))[0, 0]
    assert float(unlike) == pytest.approx(math.log(0.5), abs=1e-3)


def test_slopes_offsets_and_shares_stand_where_their_values_do() -> None:
    random = np.random.default_rng(3)
    given = calibrations(SHARES, random)
    del given["sleeves"]["short"]
    own = RecognisedAttributes(READS, 4)
    own.calibrate(given)
    logits = torch.tensor(random.normal(0, 2, (5, own.size)), dtype=torch.float32)
    found = own.probabilities(*logits.split((len(PAIRS), len(READS)), dim=-1))
    names = PAIRS + [(family, CANNOT_BE_SEEN) for family in READS]
    assert own.size == len(names)
    for place, (family, value) in enumerate(names):
        each = given[family].get(value)
        odds = torch.full((5,), UNCALIBRATED) if each is None else each.slope * logits[:, place] + each.offset
        torch.testing.assert_close(found[:, place], odds.sigmoid())
    assert own.shares.tolist() == pytest.approx(
        [0.0 if pair == ("sleeves", "short") else SHARES[pair] for pair in PAIRS]
    )


def test_tokens_are_told_what_deviates_from_the_usual_and_nothing_of_what_is_hidden() -> None:
    own = recognised(out=6)
    torch.nn.init.normal_(own.to_tokens.weight)
    usual = row(SHARES)
    with torch.no_grad():
        nothing = own(usual, [1])
        torch.testing.assert_close(nothing, own.to_tokens.bias[None])
        hat = own(row({**SHARES, ("headwear", "hat"): 1.0}), [1])
        column = own.to_tokens.weight[:, PAIRS.index(("headwear", "hat"))]
        torch.testing.assert_close(hat - nothing, 3 * 0.8 * column[None], atol=1e-5, rtol=1e-5)
        # Hidden: that it is hidden, whatever would be recognised there.
        hidden = [own(row({**SHARES, **more}, {"headwear": 1.0}), [1]) for more in ({}, SURE_HAT, NO_HAT)]
        assert torch.equal(hidden[0], hidden[1])
        assert torch.equal(hidden[0], hidden[2])
        column = own.to_tokens.weight[:, len(PAIRS)]
        torch.testing.assert_close(hidden[0] - nothing, 3 * column[None], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_each_family_is_told_to_one_token_of_its_crop(size: int) -> None:
    own = recognised(out=6)
    torch.nn.init.normal_(own.to_tokens.weight)
    one, other = row({**SHARES, **SURE_HAT, ("sleeves", "none"): 1.0}), row(SHARES, {"upper colors": 0.7})
    with torch.no_grad():
        bias = own.to_tokens.bias
        together = own(torch.cat([one.expand(size, -1), other.expand(4, -1)]), [size, 4]).split([size, 4])
        for told, whole in zip(together, (own(one, [1]), own(other, [1])), strict=True):
            torch.testing.assert_close((told - bias).sum(dim=0), whole[0] - bias, atol=1e-4, rtol=1e-4)
        # Headwear and sleeves deviate in the first, upper colours are hidden in the second; other tokens say nothing.
        silent = [int((each - bias).abs().amax(dim=1).le(1e-6).sum()) for each in together]
    assert silent == [size - len({0 % size, 2 % size}), 3]


def photo() -> Image.Image:
    pixels = np.random.default_rng(5).integers(0, 120, (192, 96, 3))
    pixels[40:90] += (130, 20, 10)
    return Image.fromarray(pixels.astype(np.uint8))


def retriever_and_nano() -> tuple[Retriever, ConvolutionalForConditionalGeneration, Any]:
    """A network at 192x96 that recognises the whole vocabulary, in an order of its own, in both roles."""
    torch.manual_seed(0)
    reads = {family.name: family.values[::-1] for family in reversed(VOCABULARY)}
    settings = NetworkSettings(
        backbone="osnet-x0.25", height=192, width=96, embedding=32, stripe_embedding=16, attributes=reads,
        attribute_width=16,
    )  # fmt: skip
    network = build_network(settings)
    for _ in range(5):
        pixels = torch.rand(4, 3, 192, 96) - 0.5
        network(pixels)
        network.recognise_attributes(pixels)
    retriever = Retriever(network.eval(), "small", "f")
    random = np.random.default_rng(6)
    retriever.attributes = calibrations({pair: float(random.uniform(0.05, 0.6)) for pair in VALUES}, random)
    model, processor = build_convolutional(
        ["A red top."], network, hidden=64, layers=1, vocabulary=300, calibrations=retriever.attributes
    )
    return retriever, model.eval(), processor


def test_nano_gives_every_crop_the_probabilities_of_its_retriever(tmp_path: Path) -> None:
    retriever, model, processor = retriever_and_nano()
    recogniser = AttributeRecogniser(retriever)
    wanted = recogniser.table(recogniser.embed_pictures([photo()])).of(0)
    model.save_pretrained(tmp_path)
    loaded = ConvolutionalForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32).eval()
    for each in (model, loaded):
        features = CropFeatures(each, processor, [photo], dtype=torch.float32)
        (tokens,) = features.encoded([0])
        row = each.model.recognised(tokens.layers[0])
        families = each.model.visual.attributes.families
        names = [(family, value) for family, values in families.items() for value in values]
        names += [(family, CANNOT_BE_SEEN) for family in families]
        assert len(names) == len(row) == len(VALUES) + len(VOCABULARY)
        found = dict(zip(names, row.tolist(), strict=True))
        assert found == pytest.approx(
            {(family, value): share for family, own in wanted.items() for value, share in own.items()}, abs=1e-4
        )
        assert np.ptp(list(found.values())) > 0.3  # calibrations by lot: no value like another


def test_half_precision_keeps_what_was_recognised() -> None:
    """The shipped weights are halves: no share, slope or offset may be lost in them."""
    _, model, _ = retriever_and_nano()
    own = model.model.visual.attributes
    a, b = torch.rand(6, own.size), torch.rand(6, own.size)
    whole = own.agreement(a, b)
    torch.testing.assert_close(own.half().agreement(a, b), whole, atol=0.05, rtol=0.02)
