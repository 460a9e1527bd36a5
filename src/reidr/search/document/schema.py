"""The fixed form of what a search found: `report.json` of its run folder, and `reidr find --json`.

A field may be added within one version; none is renamed, removed or given another meaning without a new one.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from reidr.data.left_out import LeftOut

KIND: Literal["search"] = "search"
VERSION: Literal[2] = 2


class Part(BaseModel):
    """A part of the document: nothing beyond its fields, nothing changed once made."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PictureEntry(Part):
    """A picture of the query, or one folded into a match."""

    id: str
    path: str | None = Field(description="as it was given; null for a picture in memory")
    camera: str | None = None
    sha256: str | None = Field(None, description="of the file's bytes; null for a picture in memory")
    pixels: str | None = Field(None, description="SHA-256 of size and RGB pixels, as the verdict cache has it")
    embedding_key: str | None = Field(None, description="under which its embedding is cached")
    doubt: str = Field("", description="why it can hardly be a crop of one person; empty where nothing speaks against")


class StatementEntry(Part):
    """One sentence of a reason. `claims`: (body region, how it stood when the crop alone was asked about)."""

    text: str
    claims: list[tuple[str, str]] = []
    note: str = ""


class VerdictEntry(Part):
    """What the reasoner wrote about a match."""

    answer: Literal["same", "different", "insufficient"]
    score: float | None = Field(description="the reasoner's own, after its words, not calibrated; null: no score")
    sampled: bool = Field(description="`score` is a share of drawn answers")
    bounded: bool = Field(description="`score` is the least or greatest that fits what a server tells")
    readable: bool = Field(description="false: its completion could not be read, or there was none")
    problem: str = Field(description="why there is no answer or no score; empty where there is both")
    reliable: bool = Field(description="false: query or crop can hardly show a person")
    reasoning: str
    statements: list[StatementEntry]
    model: str
    tokens: int
    seconds: float


class MatchEntry(PictureEntry):
    """One match. Smaller distances are nearer; scores and P(same) are in [0, 1], higher is likelier."""

    rank: int
    time: float | None = Field(description="seconds or frame number, as pattern or manifest give it")
    shown_time: str = Field(description="for reading; empty where unknown")
    order_value: float = Field(description="the number that decides the order; `order_by` names it")
    distance: float
    rank_by_distance: int
    direct_score: float | None = Field(description="not calibrated; null: no reasoner, or no score")
    p_same: float | None = Field(description="calibrated direct score; null: no score, or no stored calibration")
    sampled: bool = Field(description="`direct_score` is a share of drawn answers")
    bounded: bool = Field(description="`direct_score` is the least or greatest that fits what a server tells")
    identical_to_query: bool
    like_count: int = Field(description="near-duplicates folded into this match")
    like: list[PictureEntry]
    verdict: VerdictEntry | None = Field(description="null: the reasoner wrote nothing about it")


class PresenceEntry(Part):
    """Whether the person is believed to be in the gallery."""

    belief: Literal["probably there", "perhaps there", "perhaps absent", "unknown"]
    sentence: str
    score: str
    value: float | None
    thresholds: dict[str, float] = Field(description="by wanted false-positive identification rate")


class RequestEntry(Part):
    """What the reasoner was asked. `requests` went to a server; without a server there are none."""

    requests: int
    retried: int
    sampled: int
    bounded: int
    without_score: int
    unreadable: int
    refused: int
    reasons: dict[str, int]
    pairs_scored: int
    reasons_written: int
    sentences: list[str] = Field(description="what a reader must be told of this; none where all went well")


class SearchDocument(Part):
    """All of a search."""

    kind: Literal["search"] = KIND
    version: Literal[2] = VERSION
    created: str
    facts: dict[str, str | int | float]
    query: list[PictureEntry]
    query_shown: str = Field(description="id of the picture that the reasoner was shown")
    gallery: str
    searched: int = Field(description="crops that were compared")
    folded: int
    order_by: Literal["distance", "fused distance", "fused score"]
    order_rule: str
    presence: PresenceEntry
    warnings: list[str]
    notes: list[str]
    notice: str
    left_out: list[LeftOut]
    problems: list[str] = Field(description="one sentence for each picture that could not be used")
    requests: RequestEntry
    matches: list[MatchEntry]
    pictures: dict[str, str] = Field(
        default_factory=dict,
        description='small JPEGs as data URIs, by "query ID" and "match ID"; in report.json of the run folder alone',
    )
