"""What a search gives."""

from __future__ import annotations

from dataclasses import dataclass, field

from reidr.data.types import Crop
from reidr.reasoning.rationales.claim_check import CheckedClaim
from reidr.reasoning.types import RequestCounts, Verdict
from reidr.search.presence import Presence
from reidr.search.query.left_out import LeftOut

UNKNOWN = Presence("unknown", "")


@dataclass(frozen=True)
class Match:
    """One found crop.

    Attributes:
        crop: the gallery crop. distance: the retriever's, in [0, 2], smaller is nearer.
        probability: P(same) in [0, 1], the score that counts (`Found.score_name`) as calibrated on training identities.
            Where nothing is stored to calibrate it with, that score itself (`calibrated` is False). None: no score, or
            no reasoner.
        verdict: the reasoner's words and answer, where it thought about this candidate, and what its words alone say.
        rank_before: 1-based place by the retriever's distance among the matches, which are in the order after fusion.
        looks: the claims of its words, each with how a claim check at its crops ended; empty where there was none.
        order_value: the number that decides the order, named by `Found.order_by`.
        direct_score: the reasoner's answer without words, not calibrated. reasoned_score: the same read from its words
            alone, in both orders; None where it was not asked for. score: the one that counts.
            sampled: a score is a share of drawn answers.
            bounded: it is the least or greatest that fits, all that a server tells. Of a search in which a server gave
            only some scores so, all are marked.
        like: near-duplicates folded into this match (`folding`). shown_time: its date and time for reading.
        doubt: why the crop can hardly be one of a person; empty where nothing speaks against it. identical: it is the
            same picture as a query's.
    """

    crop: Crop
    distance: float
    probability: float | None
    verdict: Verdict | None
    rank_before: int
    looks: tuple[CheckedClaim, ...] = ()
    order_value: float = 0.0
    direct_score: float | None = None
    reasoned_score: float | None = None
    score: float | None = None
    calibrated: bool = False
    sampled: bool = False
    bounded: bool = False
    like: tuple[Crop, ...] = ()
    shown_time: str = ""
    doubt: str = ""
    identical: bool = False


@dataclass(frozen=True)
class Found:
    """What a search gave.

    Attributes:
        query: the picture of the person that a reasoner was shown; `queries` are all of them. doubts: for each why it
            can hardly be a crop of one person; empty where nothing speaks against it.
        matches: in order. searched: how many crops were compared. folded: how many of them stand behind a match.
        problems: one sentence for each unusable picture. left_out: what was not searched, by reason, these included.
        absent: a sentence where the nearest crop is so far that the person may well not be in the gallery, else empty.
        order_by: the name of the number that decides the order; `order_rule` says how it is made. score_name: which
            score of the reasoner counts.
        warnings: why the result cannot be relied on. notes: how the gallery was read.
        counts: what the reasoner was asked. gallery: what was searched, for titles. nobody: a sentence where there was
            no other crop to compare with, else empty.
    """

    query: Crop
    matches: tuple[Match, ...]
    searched: int
    problems: tuple[str, ...]
    absent: str = ""
    queries: tuple[Crop, ...] = ()
    doubts: tuple[str, ...] = ()
    presence: Presence = UNKNOWN
    order_by: str = "distance"
    order_rule: str = ""
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    folded: int = 0
    counts: RequestCounts = field(default_factory=RequestCounts)
    gallery: str = ""
    nobody: str = ""
    score_name: str = "direct score"
