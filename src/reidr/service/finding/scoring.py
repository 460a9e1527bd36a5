"""What the inference profile says of candidate tracks: their order, P(same), and whether the person is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reidr.data.pictures.pixels import pixel_digest
from reidr.errors import ReIDError
from reidr.fusion.ask_policy import NEVER, entropy
from reidr.fusion.calibration import margin_of
from reidr.fusion.profile import InferenceProfile
from reidr.retrieval.score_normalisation import has_z_norm, normalised_distances, z_norm
from reidr.search.order import Candidates, Order, by_distance, by_profile
from reidr.search.presence import Presence, presence, smallest
from reidr.search.reasons import doubt_of
from reidr.service.finding.candidates import Listed
from reidr.service.finding.models import Models
from reidr.service.finding.person import Person

Reals = NDArray[np.float64]
DOUBTFUL = 0.5  # bits: P(same) between 0.11 and 0.89


@dataclass(frozen=True, eq=False)
class Scored:
    """The numbers of n candidate tracks, in the order in which they were given.

    Attributes:
        by, rule: the number that decides the order, and how it is made. values: (n,) it; greater is likelier where
            `rising`, else smaller is nearer. direct: (n,) direct scores, NaN where not asked. probabilities: (n,)
            P(same), NaN where there is no score or no calibration. scores: (n,) the number that `presence` compares.
        in_doubt: (n,) candidates whose answer is in doubt. doubts: why a crop can hardly show a person.
        identical: (n,) crops with the pixels of a picture of the query. spread: standard deviation of the surroundings.
    """

    by: str
    rule: str
    values: Reals
    rising: bool
    direct: Reals
    probabilities: Reals
    scores: Reals
    in_doubt: NDArray[np.bool_]
    doubts: tuple[str, ...]
    identical: NDArray[np.bool_]
    presence: Presence
    spread: float


def scored(
    listed: Listed, models: Models, person: Person, profile: InferenceProfile | None, adaptive: bool, crops: int
) -> Scored:
    """Candidates judged by `profile`, which is the reasoner's own or that of this site (`site.py`).

    `crops`: how many crops the search was among, for which the thresholds of `profile` are. Raises ReIDError where only
    candidates in doubt are to be asked and that is not possible.
    """
    candidates = listed.candidates
    order = ordered(candidates, profile, adaptive)
    doubts = tuple(doubt_of(pair.candidate) for pair in candidates.pairs)
    identical = np.array([pixel_digest(pair.candidate.open()) in person.digests for pair in candidates.pairs])
    rest = [group for group, same in zip(candidates.groups, identical, strict=True) if not same]
    believed = presence(candidates.listed, rest, order.scores[~identical], models.retriever, profile, crops)
    if person.doubtful:
        believed = Presence(
            "unknown", "Whether the person is here cannot be said: no picture of the query can be relied on."
        )
    elif not rest:
        believed = Presence("unknown", "Only the query's own picture is here, which says nothing of anybody else.")
    return Scored(
        order.by,
        order.rule,
        order.values,
        order.by == "fused score",
        order.scores,
        order.probabilities,
        compared(candidates, order, believed, profile),
        in_doubt(candidates, order.probabilities, profile),
        doubts,
        identical,
        believed,
        spread_of(candidates, order.values),
    )


def ordered(candidates: Candidates, profile: InferenceProfile | None, adaptive: bool) -> Order:
    """The profile's order; that of the distance without a reasoner, or one that gives no scores."""
    model = candidates.model
    if profile is None or model is None:
        return by_distance(candidates)
    short = profile.policy is None or not has_z_norm(candidates.listed, profile.policy.first, profile.policy.last)
    if adaptive:
        if short:
            raise ReIDError(
                "asking about candidates in doubt alone needs a stored policy and a larger gallery; ask about all"
            )
        profile = replace(profile, asking="in doubt")
    elif profile.asking == "in doubt" and short:
        profile = replace(profile, asking="all")
    return by_profile(candidates, profile, lambda _: None)


def compared(candidates: Candidates, order: Order, believed: Presence, profile: InferenceProfile | None) -> Reals:
    """(n,) for each candidate alone the number that thresholds are compared with; NaN where nothing is compared."""
    weight = 0.0 if profile is None else profile.weight
    found = np.full(len(candidates.groups), np.nan)
    if not believed.score:
        return found
    for number, column in enumerate(candidates.columns):
        # `smallest` reads one score for each column that it is given.
        value = smallest(
            believed.score, candidates.listed, np.array([column]), order.scores[number : number + 1], weight
        )
        found[number] = np.nan if value is None else value
    return found


def in_doubt(candidates: Candidates, probabilities: Reals, profile: InferenceProfile | None) -> NDArray[np.bool_]:
    """(n,) candidates whose answer is in doubt: near enough for the ask policy, and P(same) near neither 0 nor 1.

    How unsure a probability is, is its entropy in bits: at least `DOUBTFUL`, or the least entropy that the policy has
    for reasons. Without a policy, or surroundings, all candidates are near enough.
    """
    policy = None if profile is None else profile.policy
    bits = entropy(probabilities)
    if policy is None or not has_z_norm(candidates.listed, policy.first, policy.last):
        return np.asarray(bits >= DOUBTFUL)
    normalised = normalised_distances(candidates.listed, policy.first, policy.last)[0]
    near = normalised[candidates.columns] - normalised[0] <= policy.band
    return np.asarray(near & (bits >= (policy.doubtful if policy.doubtful < NEVER else DOUBTFUL)))


def worth_reasons(tracks: Sequence[str], chances: Sequence[float], doubtful: NDArray[np.bool_], most: int) -> list[str]:
    """The tracks for which reasons are written: of those in doubt the least sure first, `most` at most."""
    bits = entropy(np.array(chances, dtype=np.float64))
    order = sorted(np.flatnonzero(doubtful).tolist(), key=lambda number: -bits[number])
    return [tracks[number] for number in order[:most]]


def spread_of(candidates: Candidates, values: Reals) -> float:
    """Standard deviation of the distances around the query; of the candidates' own values where it has none."""
    if has_z_norm(candidates.listed):
        return float(z_norm(candidates.listed)[1][0])
    return float(values.std()) if len(values) > 1 else 0.0


def shifted(values: Reals, evidence: Reals, rising: bool, spread: float) -> Reals:
    """(n,) the numbers that decide the order, with (n,) log-likelihoods of the travel time, 0 where there is none.

    A fused score is a probability: its log-odds grow by the log-likelihood (Bayes' rule). To a distance one unit of
    log-likelihood counts as half a standard deviation of the query's surroundings: among wrong candidates, taken to be
    normally distributed, the density falls by that factor where they come near enough to be in doubt, two standard
    deviations before their mean.
    """
    return likelier(values, evidence) if rising else values - 0.5 * spread * evidence


def likelier(probabilities: Reals, evidence: Reals) -> Reals:
    """Probabilities after evidence of that log-likelihood (Bayes' rule); unchanged where it is 0."""
    odds = margin_of(probabilities) + evidence
    return np.where(evidence == 0, probabilities, 0.5 * (1.0 + np.tanh(0.5 * odds)))
