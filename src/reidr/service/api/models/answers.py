"""What callers get."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from reidr.service.api.models.fields import Answer, Share, Time

Decided = Literal["same", "different"]


class Problem(Answer):
    """An error as RFC 9457 has it (`application/problem+json`)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = Field(description="One sentence: what is wrong, and what to do.")
    errors: list[FieldError] | None = Field(None, description="Of a request that has the wrong form: each wrong field.")


class FieldError(Answer):
    """One wrong field."""

    field: str = Field(description="Where it is, by names and places: crops.0.camera.")
    detail: str


class GalleryAnswer(Answer):
    """What the gallery holds, and who is asking."""

    name: str
    store: str
    cameras: list[str]
    start: Time | None = Field(description="When the first track begins; null where no time is known.")
    end: Time | None
    crops: int
    tracks: int
    version: int = Field(description="Number of the last change; kept with every search and decision.")
    retriever: str
    reasoner: str | None
    words: bool = Field(description="Whether the crops' attributes are known, so that words can be searched for.")
    threshold: str = Field(description="How often an absent person comes as near, at this site, in words.")
    caller: str
    roles: list[str]


class CallerAnswer(Answer):
    """Who is asking."""

    caller: str
    roles: list[str]


class CropAnswer(Answer):
    """One crop of the gallery, without its picture."""

    id: str
    camera: str
    track: str
    recording: str | None
    time: Time | None
    start: Time | None
    end: Time | None
    frame: int | None
    box: list[float] | None
    quality: float | None
    person: str | None
    picture: str = Field(description="Where its picture is.")


class CropsAnswer(Answer):
    """A page of crops in the order of their ids. after: what to ask the next page with; null on the last one."""

    crops: list[CropAnswer]
    after: str | None


class TrackAnswer(Answer):
    """One track of the gallery."""

    id: str
    camera: str
    recording: str | None
    start: Time | None
    end: Time | None
    crops: int
    best: str = Field(description="The id of its best crop.")
    person: str | None
    picture: str = Field(description="Where the picture of its best crop is.")


class TracksAnswer(Answer):
    """A page of tracks in the order of their ids. after: what to ask the next page with; null on the last one."""

    tracks: list[TrackAnswer]
    after: str | None


class EnrolmentAnswer(Answer):
    """What an enrolment changed."""

    added: int = Field(description="How many crops are new or changed.")
    ids: list[str]
    version: int


class ChangeAnswer(Answer):
    """What a merge or split changed."""

    changed: int
    version: int


class TermAnswer(Answer):
    """One thing that a description asks for."""

    text: str
    families: list[str]


class DescriptionAnswer(Answer):
    """How a description is understood."""

    terms: list[TermAnswer]
    corrected: dict[str, str] = Field(description="Words that were read as others.")
    unmapped: list[str] = Field(description="Words that no attribute stands for.")
    not_used: list[str] = Field(description="Words that are never searched for: gender, age, origin, religion, health.")


class TermFound(Answer):
    """One thing that the words ask for, at one track."""

    text: str
    wanted: bool = Field(description="false: it must not be there.")
    likelihood: Share | None = Field(description="That it holds; null where nothing is known.")


class AppearanceTrack(Answer):
    """One track of an appearance: the crops that one camera took of one person, one after the other."""

    id: str
    camera: str
    start: Time | None
    end: Time | None
    recording: str | None
    likelihood: Share | None = Field(description="P(same), calibrated; null where there is none.")
    distance: float | None = Field(description="Of the embeddings, 0 to 2; null for words alone.")
    crops: int
    best: str
    picture: str
    doubtful: bool = Field(description="Whether the reasoner thinks about it when it is asked for reasons.")
    doubt: str = Field(description="Why the picture can hardly show a person; empty where nothing speaks against it.")
    identical_to_query: bool
    terms: list[TermFound]
    travel: str | None = Field(description="What the time between two cameras says about it.")
    decision: Decided | None


class AppearanceAnswer(Answer):
    """One time that the person was perhaps seen by one camera: tracks that follow each other."""

    rank: int
    id: str
    camera: str
    start: Time | None
    end: Time | None
    recording: str | None
    likelihood: Share | None = Field(description="Of its best track: P(same), calibrated; null where there is none.")
    doubtful: bool
    best: str
    picture: str
    tracks: list[AppearanceTrack]
    decision: Decided | None


class QueryPicture(Answer):
    """A picture of the person who is searched for."""

    id: str
    picture: str = Field(description="Where it is.")
    doubt: str = Field(description="Why it can hardly show a person; empty where nothing speaks against it.")


class SearchResults(Answer):
    """`GET /v1/searches/{search_token}`: what was found, best first, page by page."""

    search_token: str
    case: str
    created: Time
    gallery_version: int
    query: list[QueryPicture]
    presence: str = Field(description="One sentence: whether the person is in the gallery at all.")
    belief: Literal["probably there", "perhaps there", "perhaps absent", "unknown"]
    threshold: str = Field(description="How often an absent person comes as near, at this site, in words.")
    words: str = Field(description="The description that was searched for; empty without one.")
    terms: list[str] = Field(description="What was understood of it.")
    tracks: list[str] = Field(description="Tracks of the gallery by which the person was described.")
    cameras: list[str] = Field(description="Those that were searched alone; empty for all.")
    start: Time | None = Field(description="Where the time searched begins and ends; null where it is open.")
    end: Time | None
    searched: int = Field(description="How many crops were searched.")
    order: str = Field(description="How the order is made, one sentence.")
    warnings: list[str] = Field(description="Why the result may not be reliable.")
    notes: list[str]
    total: int = Field(description="How many appearances were found.")
    appearances: list[AppearanceAnswer]
    after: int | None = Field(description="What to ask the next page with; null on the last one.")


class StatementAnswer(Answer):
    """One sentence of a reason, and what became of its claims when they were checked at each crop alone."""

    text: str
    claims: list[ClaimAnswer]
    note: str


class ClaimAnswer(Answer):
    """What one sentence claims of one body region."""

    region: str
    outcome: str = Field(description="consistent, not visible, inconsistent, self-contradictory; empty: not checked.")


class ReasonAnswer(Answer):
    """What the reasoner thinks of one pair of pictures."""

    track: str | None
    crop: str | None
    query: str | None
    answer: Literal["same", "different", "insufficient"]
    score: Share | None = Field(description="The reasoner's own after its words, not calibrated.")
    text: str
    statements: list[StatementAnswer]
    regions: dict[str, dict[str, list[float]]] = Field(
        description="Where each body region lies in the pictures `query` and `candidate`: left, top, right, bottom in"
        " shares of the picture; empty where it is not known."
    )
    reliable: bool = Field(description="false: one of the pictures can hardly show a person.")
    problem: str = Field(description="Why there is no answer or no score; empty where there is both.")


class ExplanationAnswer(ReasonAnswer):
    """`POST /v1/explanations`."""

    distance: float | None = Field(description="Of the two embeddings, 0 to 2.")
    likelihood: Share | None = Field(description="P(same), calibrated; null where there is none.")


class DecisionAnswer(Answer):
    """One decision of a case."""

    track: str
    decision: Literal["same", "different", "none"] = Field(description="none: an earlier decision was taken back.")
    by: str
    why: str
    time: Time


class CaseAnswer(Answer):
    """A case: whom somebody looks for, and what was decided about what was found."""

    id: str
    created: Time
    by: str
    why: str
    search_token: str | None = Field(description="Of its last search; null before the first.")
    decisions: list[DecisionAnswer] = Field(description="All of them, oldest first; the last one about a track counts.")
    threshold: str = Field(description="How often an absent person comes as near, at this site, in words.")


class CasesAnswer(Answer):
    """A page of cases in the order of their ids."""

    cases: list[CaseAnswer]
    after: str | None


class AuditRow(Answer):
    """One row of the audit log; it holds the hash of the row before it."""

    number: int
    entry: dict[str, Any]


class AuditAnswer(Answer):
    """A page of the audit log. after: what to ask the next page with; null on the last one."""

    rows: list[AuditRow]
    after: int | None


class VerificationAnswer(Answer):
    """Whether the audit log is as it was written."""

    rows: int = Field(description="How many rows are as they were written, from the first on.")
    head: str = Field(
        description="number:hash of the last of these. Kept elsewhere, it tells whether the end is cut off."
    )
    broken: int | None = Field(description="Number of the first row that does not fit; null where all do.")
    why: str = Field(description="What is wrong with it; empty where nothing is.")


class Health(Answer):
    """`/healthz` and `/readyz`."""

    status: Literal["ok", "starting", "ending", "unavailable"]


Problem.model_rebuild()
StatementAnswer.model_rebuild()
