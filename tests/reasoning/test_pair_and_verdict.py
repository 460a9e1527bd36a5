from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from PIL import Image

from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.reasoning.types import Cue, Pair, RequestCounts, Verdict

A, B = (Crop(name, Image.new("RGB", (8, 16))) for name in "ab")
GOOD: dict[str, Any] = {
    "answer": "same", "probability": 0.9, "reasoning": "Shoes agree.", "cues": (Cue("shoes", "agree"),),
    "tokens": 9, "seconds": 0.1, "model": "nano 0123", "prompt": "abc", "key": "def",
}  # fmt: skip


def test_pair_swaps_its_crops_and_keeps_the_rest() -> None:
    assert Pair(A, B, 0.5, True).swapped() == Pair(B, A, 0.5, True)


@pytest.mark.parametrize("distance", [-0.1, math.nan, math.inf])
def test_pair_refuses_a_distance_that_is_none(distance: float) -> None:
    with pytest.raises(ReIDError, match="pair a / b: the distance"):
        Pair(A, B, distance)


def test_pair_refuses_a_label_that_is_no_truth_value() -> None:
    with pytest.raises(ReIDError, match="label must be True, False or None"):
        Pair(A, B, label=1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": "yes"}, "answer must be one of same, different, insufficient"),
        ({"probability": 1.01}, "probability"),
        ({"probability": math.nan}, "probability"),
        ({"tokens": -1}, "tokens"),
        ({"seconds": math.inf}, "seconds"),
        ({"key": ""}, "cache key"),
        ({"parsable": False}, "unparsable"),
        ({"parsable": False, "answer": "insufficient"}, "no cues"),
    ],
)
def test_verdict_is_checked_when_made(change: dict[str, Any], message: str) -> None:
    Verdict(**GOOD)
    with pytest.raises(ReIDError, match=message):
        Verdict(**GOOD | change)


def test_only_a_parsable_verdict_is_evidence() -> None:
    assert Verdict(**GOOD).evidence == 0.9
    broken = Verdict(**GOOD | {"answer": "insufficient", "cues": (), "parsable": False, "probability": 0.5})
    assert math.isnan(broken.evidence)
    assert broken.probability is None  # 0.5 would read as a score


def test_a_verdict_without_a_probability_is_no_evidence_and_no_sample() -> None:
    silent = Verdict(**GOOD | {"probability": None, "problem": "no log-probabilities"})
    assert (silent.answer, silent.probability, math.isnan(silent.evidence)) == ("same", None, True)
    assert Verdict(**GOOD | {"sampled": True}).evidence == 0.9
    with pytest.raises(ReIDError, match="cannot be a sampled one"):
        Verdict(**GOOD | {"probability": None, "sampled": True})


def test_counts_add_up_and_say_what_a_reader_must_know() -> None:
    assert RequestCounts(requests=3).sentences() == ()
    first = RequestCounts(5, 1, 1, 2, 1, 1, {"refused: too large": 1, "no answer": 1})
    later = first + RequestCounts(4, 0, 0, 1, 1, 0, {"no answer": 1})
    assert later == RequestCounts(9, 1, 1, 3, 2, 1, {"refused: too large": 1, "no answer": 2})
    assert later - first == RequestCounts(4, 0, 0, 1, 1, 0, {"no answer": 1})
    assert later.sentences() == (
        '1 P(same) is estimated from drawn answers (marked "sampled"): the server gives no usable log-probabilities.',
        "3 results have no score (2 times: no answer; refused: too large).",
    )
    many = sum((RequestCounts(reasons={f"request {i} refused": 1}) for i in range(99)), RequestCounts())
    assert (len(many.reasons), many.reasons["other reasons"]) == (21, 79)
    assert later.stored()["reasons"] == {"refused: too large": 1, "no answer": 2}


def test_verdict_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Verdict(**GOOD).probability = 0.1  # type: ignore[misc]


@pytest.mark.parametrize(("region", "agreement"), [("face", "agree"), ("shoes", "same")])
def test_cue_knows_its_words(region: str, agreement: str) -> None:
    with pytest.raises(ReIDError):
        Cue(region, agreement)  # type: ignore[arg-type]
