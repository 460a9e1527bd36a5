"""A case: one question, what was answered, and what named people decided about it."""

from __future__ import annotations

from pydantic import Field

from reidr.search.appearances.types import Decided, Reason, SearchAnswer
from reidr.search.document.schema import Part


class Decision(Part):
    """What a named person said of a track in a case. Nothing is overwritten: the last decision about a track counts."""

    number: int = Field(description="1, 2, 3 … within the case")
    track: str
    decided: Decided
    by: str = Field(description="who decided")
    why: str = Field(description="on what grounds, in their words")
    time: float
    crops: list[str] = Field(description="the crops of the track that was decided about")
    search: str = Field("", description="token of the answer that was looked at")
    retriever: str = Field("", description="fingerprint of the model that found it")
    reasoner: str = Field("", description="fingerprint of the model that judged it; empty without one")
    distance: float | None = None
    direct_score: float | None = None
    p_same: float | None = Field(None, description="as it was shown")
    score_name: str = Field("", description="name of the number that thresholds are compared with")
    score: float | None = Field(None, description="that number of this track")
    nearer_decided: bool = Field(
        False, description="whether all tracks that came nearer had been decided about, so that this one may count as "
        "the nearest wrong one"
    )  # fmt: skip


class Case(Part):
    """One question with all that was answered and decided: what is exported, and what an engineer answers for.

    The pictures of the query are kept beside it (`service.finding.cases`).
    """

    id: str
    created: float
    by: str = Field(description="who asked")
    purpose: str = Field("", description="why, in their words")
    gallery: str
    request: dict[str, object] = Field(description="`service.finding.request.SearchRequest` without pictures")
    answer: SearchAnswer | None = Field(None, description="the last answer")
    reasons: list[Reason] = Field([], description="of the last answer, as far as they were written")
    decisions: list[Decision] = Field([], description="in the order in which they were made")

    def standing(self) -> dict[str, Decision]:
        """The decision that counts, by track; tracks whose decision was taken back are not there."""
        last = {decision.track: decision for decision in self.decisions}
        return {track: decision for track, decision in last.items() if decision.decided != "undecided"}
