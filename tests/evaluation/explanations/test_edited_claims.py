"""Claims turned round: a reader who understands follows every edit, one who does not follows none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reidr.evaluation.explanations.edited_claims import edited_claims, edited_scores
from reidr.evaluation.explanations.reason_numbers import edited_number
from reidr.reasoning.rationales.claims import parse_claims
from reidr.reasoning.types import Verdict

AGREE = "The hair agrees: long hair in both. The shoes agree: white shoes in both."
DIFFER = "The hair differs: long hair in A, short hair in B. The bag is somewhat alike."
NOTHING = "The bag cannot be seen in A."


def verdict(text: str, parsable: bool = True) -> Verdict:
    return Verdict("same" if parsable else "insufficient", None, text, (), 5, 0.1, "m", "p", "k", parsable)


class Reading:
    """Reads words by a rule and keeps what it was given."""

    def __init__(self, rule: Callable[[str], float]) -> None:
        self.rule, self.given = rule, 0

    def score_words(self, reasonings: Sequence[str], **_: Any) -> NDArray[np.float64]:
        self.given += len(reasonings)
        return np.array([self.rule(each) for each in reasonings])


def by_claims(text: str) -> float:
    signs = [{"agree": 1, "differ": -1, "unseen": 0}[claim.agreement] for claim in parse_claims(text)]
    return 0.5 + 0.1 * sum(signs)


VERDICTS = [verdict(AGREE), verdict(DIFFER), verdict(NOTHING), verdict("no tags", False), verdict(AGREE)]
GROUPS = np.array([0, 0, 1, 1, 2])


@pytest.mark.parametrize(
    ("rule", "followed", "moved"),
    [(by_claims, 1.0, 0.2), (lambda text: 1 - by_claims(text), 0.0, -0.2), (lambda _: 0.7, 0.0, 0.0)],
    ids=["understands", "the wrong way round", "does not read"],
)
def test_the_share_that_follows(rule: Callable[[str], float], followed: float, moved: float) -> None:
    reader, steps = Reading(rule), []
    scored = edited_scores(reader, VERDICTS, steps.append)  # type: ignore[arg-type]
    assert [len(own) for own in scored] == [2, 2, 0, 0, 2]
    assert reader.given == 3 * (1 + 2)
    assert sum(steps) == pytest.approx(len(VERDICTS))
    found = edited_claims(scored, GROUPS, seed=0)
    assert found is not None
    assert (found.edits, found.followed.value, found.moved.value) == (6, followed, pytest.approx(moved))
    assert found.to_different is not None
    assert found.to_same is not None
    assert (found.to_different.cases, found.to_same.cases) == (5, 1)
    assert f"{100 * followed:.1f}" in edited_number(found).value


def test_the_interval_is_over_persons() -> None:
    """A reader of hair alone: all edits of one person follow, none of the other's."""
    own = [verdict("The hair agrees: long hair in both.")] * 8 + [verdict("The shoes agree: white shoes in both.")] * 8
    scored = edited_scores(Reading(lambda text: 0.3 if "hair differs" in text else 0.8), own)  # type: ignore[arg-type]
    by_person = edited_claims(scored, np.repeat([0, 1], 8), seed=0)
    by_pair = edited_claims(scored, np.arange(16), seed=0)
    assert by_person is not None
    assert by_pair is not None
    assert by_person.followed.value == by_pair.followed.value == 0.5
    assert (by_person.followed.low, by_person.followed.high) == (0, 1)
    assert by_pair.followed.high - by_pair.followed.low < 0.6


def test_nothing_to_turn_round_is_no_number() -> None:
    scored = edited_scores(Reading(by_claims), [verdict(NOTHING)])  # type: ignore[arg-type]
    assert edited_claims(scored, np.array([0]), 0) is None
    assert edited_number(None).estimate is None
