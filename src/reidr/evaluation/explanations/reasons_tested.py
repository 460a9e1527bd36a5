"""What the tests of reasons give: estimates with intervals, and the cases that they were made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.evaluation.explanations.text_alone import TextAlone
from reidr.evaluation.metrics.statistics import bootstrap_interval
from reidr.reasoning.rationales.claim_check import CheckedClaim
from reidr.reasoning.rationales.claims import (
    Claim,
    Mark,
)
from reidr.reasoning.types import Pair, Verdict


@dataclass(frozen=True)
class Estimate:
    """A mean, its 95 % interval (low, high), and the number of cases behind it."""

    value: float
    low: float
    high: float
    cases: int


@dataclass(frozen=True)
class CueMasking:
    """How the direct score moves when one region is erased in both crops, over pairs with a control.

    Attributes:
        cited, uncited: mean absolute movement when a region that supports the verdict is erased, and when one of
            similar size that the reasoning does not name is. difference: cited - uncited, paired.
        cited_against, uncited_against, difference_against: the same, signed: movement away from the verdict
            (downwards for "same", upwards for "different").
        cited_area, uncited_area: mean share of the crop erased; alike, or the comparison is unfair.
    """

    cited: Estimate
    uncited: Estimate
    difference: Estimate
    cited_against: Estimate
    uncited_against: Estimate
    difference_against: Estimate
    cited_area: float
    uncited_area: float


@dataclass(frozen=True)
class ClaimsTested:
    """How claims stand against the known attributes.

    `true` is confirmed / (confirmed + contradicted), `invented` the share of claims that state a value of a crop which
    does not show it, `self_contradictory` that of claimed differences that state the same of both crops, among those
    that state anything; `marks` counts claims by mark, `by_region` the share of true ones.
    """

    true: Estimate | None
    invented: Estimate | None
    self_contradictory: Estimate | None
    marks: Mapping[str, int]
    by_region: Mapping[str, Estimate]


@dataclass(frozen=True)
class CheckedClaims:
    """How claims fare when the reasoner is asked about each crop alone (`claim_check.check_claims`).

    `again` is the share of those consistent among the claims that were asked. `true_if_consistent` and
    `true_if_inconsistent` are the shares of true ones among the testable claims that were consistent, and among
    those that were asked and were not;
    None where there are none. `marks` counts the claims by how it ended, those included that contradict themselves and
    were not asked.
    """

    again: Estimate
    true_if_consistent: Estimate | None
    true_if_inconsistent: Estimate | None
    marks: Mapping[str, int]


@dataclass(frozen=True)
class EditedClaims:
    """How the reasoned score moves when one claim of a rationale is turned round (`rationales.edits`).

    Attributes:
        followed: share of edits after which the score moved towards the verdict that the edited claim supports; one
            that does not move it does not count as followed. moved: mean movement in that direction, in the score's
            own unit.
        to_different, to_same: the share by direction; None where no claim was turned that way.
        edits: how many.
    """

    followed: Estimate
    moved: Estimate
    to_different: Estimate | None
    to_same: Estimate | None
    edits: int


@dataclass(frozen=True)
class ReasonCase:
    """One pair for a page. Probabilities are direct scores, uncalibrated: of both whole crops (None where there is
    none), and with a region erased.

    `verdict` is of the query as person A, `turned` of the crops in the other order, `looks` what a claim check gave for
    the claims of the former, where there was one.
    """

    pair: Pair
    verdict: Verdict
    turned: Verdict
    claims: tuple[tuple[Claim, Mark], ...]
    probability: float | None
    looks: tuple[CheckedClaim, ...] = ()
    cited: str | None = None
    uncited: str | None = None
    without_cited: float | None = None
    without_uncited: float | None = None

    def marked(self, mark: Mark) -> int:
        """How many claims carry `mark`."""
        return sum(found == mark for _, found in self.claims)


@dataclass(frozen=True)
class ReasonsTested:
    """One number each; None where nothing could be measured.

    Attributes:
        pairs: how many. parsable: share of completions that follow the grammar.
        score_flips: share of direct scores that cross 0.5 when the two crops change places. score_gap: mean
            |difference| of the two; both over the pairs that have a score in both orders.
        verdict_flips: share of pairs whose answer changes, unparsable ones counting as "insufficient".
        hard_flips: share that goes from "same" to "different" or back.
        agreement: share of verdicts that their words support (`rationales.support`), among parsable ones with cues.
        agreement_by_chance: the same were the texts dealt out to the verdicts at random.
        silent: share of parsable verdicts whose words compare nothing.
        edited: how the reasoned score follows edits of its words; None where the reasoner cannot read words alone.
        masking, text_alone, claims, looked_again: see there; the last is None where the reasoner cannot be asked about
            one crop alone, or nothing it claims can be. cases: every pair, for pages.
    """

    pairs: int
    parsable: Estimate
    score_flips: Estimate | None
    score_gap: Estimate | None
    verdict_flips: Estimate
    hard_flips: Estimate
    agreement: Estimate | None
    agreement_by_chance: float | None
    silent: Estimate | None
    masking: CueMasking | None
    text_alone: TextAlone | None
    claims: ClaimsTested
    checked_claims: CheckedClaims | None
    cases: tuple[ReasonCase, ...]
    edited: EditedClaims | None = None

    def numbers(self) -> dict[str, Any]:
        """Everything as plain values for JSON; of the cases only how many there are."""
        return asdict(replace(self, cases=())) | {"cases": len(self.cases)}


def estimate(values: Any, groups: NDArray[np.int64], seed: int = 0, draws: int = 1000) -> Estimate:
    """Mean of `values` (N,) with the interval of a bootstrap over whole `groups` (N,) (Field and Welsh 2007)."""
    values = np.asarray(values, dtype=np.float64)
    return Estimate(
        float(values.mean()), *bootstrap_interval(values, groups=groups, seed=seed, draws=draws), len(values)
    )
