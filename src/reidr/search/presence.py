"""Whether the person is believed to be in the gallery at all: one line, from thresholds chosen on training identities.

A threshold belongs to a wanted false-positive identification rate (FPIR, ISO/IEC 19795-1): the share of searches for
people who are not there that come nearer all the same. It is fitted to how many crops the search was among
(`fusion/gallery_size.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reidr.evaluation.metrics.open_set_scores import z_norm_name
from reidr.fusion.gallery_size import rule_for_gallery, stored_rule
from reidr.fusion.profile import InferenceProfile, OpenSetRule
from reidr.fusion.weighted import fused_distances
from reidr.retrieval.embedders.embedder import Embedder
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.rerankers.csls import FIRST, LAST
from reidr.retrieval.score_normalisation import has_z_norm, normalised_distances
from reidr.search.folding import Group

Reals = NDArray[np.float64]
Belief = Literal["probably there", "perhaps there", "perhaps absent", "unknown"]
LISTED = (FIRST, LAST)
MEASURED = ", as measured on people held out of the training"


@dataclass(frozen=True)
class Presence:
    """What is believed, and on what grounds.

    Attributes:
        belief: "unknown" where nothing tells. sentence: for reading. score: the name of what was compared, empty where
            nothing was. value: its smallest value in this search. thresholds: by wanted FPIR, as it was compared.
        crops: size of the gallery for which these were reckoned; None where they say nothing of its size.
    """

    belief: Belief
    sentence: str
    score: str = ""
    value: float | None = None
    thresholds: Mapping[str, float] | None = None
    crops: float | None = None


def presence(
    listed: RankedList,
    groups: Sequence[Group],
    direct: Reals,
    retriever: Embedder,
    profile: InferenceProfile | None,
    crops: int,
) -> Presence:
    """Judged by the score chosen for the reasoner where it can be computed here, else by the retriever's distance.

    Args:
        listed, groups, direct: as `order.fused_order`; `direct` NaN where there is no score. crops: how many crops the
            search was among, without the query's own pictures.
    """
    if not groups:
        return Presence(
            "unknown", "Nobody was left to compare with, so nothing can be said of whether the person is there."
        )
    columns = np.array([group.column for group in groups])
    if profile is not None and profile.open_set and profile.csls == (listed.local is not None):
        rule = profile.open_set
        value = smallest(rule.score, listed, columns, direct, profile.weight)
        if value is not None and rule.thresholds:
            return judged_by(rule, value, crops)
    stored = stored_rule(retriever)
    if not stored.thresholds:
        return Presence(
            "unknown",
            "Whether the person is there cannot be said: how near other people come by chance is not known for this "
            "model.",
        )
    return judged_by(stored, float(listed.distances[0, columns].min()), crops)


def smallest(name: str, listed: RankedList, columns: NDArray[np.int64], direct: Reals, weight: float) -> float | None:
    """The smallest value of a named score among the candidates; None where it cannot be computed here."""
    if name == "distance":
        return float(listed.distances[0, columns].min())
    if name == z_norm_name(*LISTED):
        return float(normalised_distances(listed, *LISTED)[0, columns].min()) if has_z_norm(listed) else None
    if not np.isfinite(direct).all():
        return None
    if name == "fused distance":
        scores = np.full((1, int(columns.max()) + 1), np.nan)
        scores[0, columns] = direct
        return float(fused_distances(listed, scores, weight)[0, columns].min())
    return float(1.0 - direct.max()) if name == "1 - P(same)" else None


def judged_by(rule: OpenSetRule, value: float, crops: int) -> Presence:
    """Judged by a rule that is fitted to a search among so many crops."""
    fitted = rule_for_gallery(rule, crops)
    return judged(rule.score, value, fitted.thresholds, fitted.crops)


def judged(name: str, value: float, thresholds: Mapping[str, float], crops: float | None = None) -> Presence:
    """Below the strictest threshold: probably there. Beyond the loosest: perhaps not. Between them: it may be.

    `crops`: size of the gallery for which the thresholds were reckoned; None: they say nothing of its size.
    """
    rates = sorted(thresholds, key=float)
    sized = "" if crops is None else f" and reckoned for a gallery of {crops:,.0f} crops"
    near = f"people who are not there come as near{MEASURED}{sized}"
    if value > thresholds[rates[-1]]:
        belief: Belief = "perhaps absent"
        sentence = f"Perhaps not in the gallery: more than {one_in(float(rates[-1]))} {near}."
    else:
        within = next(rate for rate in rates if value <= thresholds[rate])
        belief = "probably there" if within == rates[0] else "perhaps there"
        sure = belief.split()[0].capitalize()
        sentence = f"{sure} in the gallery: at most about {one_in(float(within))} {near}."
    return Presence(belief, sentence, name, value, dict(thresholds), crops)


def one_in(rate: float) -> str:
    """A rate for reading: "1 in 100"."""
    return f"1 in {max(1, round(1.0 / rate)):,}"
