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

    id: str = Field(description="its name: the path below the folder that was searched")
    path: str | None = Field(description="as it was given; null for a picture in memory")
    camera: str | None = Field(None, description="as pattern, manifest or file name give it; null where unknown")
    sha256: str | None = Field(None, description="of the file's bytes; null for a picture in memory")
    pixels: str | None = Field(None, description="SHA-256 of size and RGB pixels, as the verdict cache has it")
    embedding_key: str | None = Field(None, description="under which its embedding is cached")
    doubt: str = Field("", description="why it can hardly be a crop of one person; empty where nothing speaks against")


class StatementEntry(Part):
    """One sentence of a reason, and what became of its claims in the claim check."""

    text: str = Field(description="the sentence")
    claims: list[tuple[str, str]] = Field([], description="body region and outcome of the check, for each claim")
    note: str = Field("", description="a remark on the sentence")


class VerdictEntry(Part):
    """What the reasoner wrote about a match."""

    answer: Literal["same", "different", "insufficient"] = Field(description="its verdict")
    score: float | None = Field(description="the reasoner's own, after its words, not calibrated; null: no score")
    words_alone: float | None = Field(
        None, description="P(same) that it reads from its words with the pictures taken away; null: not asked"
    )
    sampled: bool = Field(description="`score` is a share of drawn answers")
    bounded: bool = Field(description="`score` is the least or greatest that fits what a server tells")
    readable: bool = Field(description="false: its completion could not be read, or there was none")
    problem: str = Field(description="why there is no answer or no score; empty where there is both")
    reliable: bool = Field(description="false: query or crop can hardly show a person")
    reasoning: str = Field(description="the reason, as it was written")
    statements: list[StatementEntry] = Field(description="the reason sentence by sentence")
    model: str = Field(description="name of the reasoner")
    tokens: int = Field(description="number of tokens written")
    seconds: float = Field(description="time it took")


class MatchEntry(PictureEntry):
    """One match. Smaller distances are nearer; scores and P(same) are in [0, 1], higher is likelier."""

    rank: int = Field(description="place in the order, from 1")
    time: float | None = Field(description="seconds or frame number, as pattern or manifest give it")
    shown_time: str = Field(description="for reading; empty where unknown")
    order_value: float = Field(description="the number that decides the order; `order_by` names it")
    distance: float = Field(description="of the retriever's embeddings, 0 to 2")
    rank_by_distance: int = Field(description="place in the retriever's own order, from 1")
    direct_score: float | None = Field(description="not calibrated; null: no reasoner, or no score")
    reasoned_score: float | None = Field(
        None, description="read from its words alone, in both orders; null: the inference profile does not ask for it"
    )
    score: float | None = Field(None, description="the one of these that counts, not calibrated: `score_name`")
    p_same: float | None = Field(
        description="the score that counts (`score_name`), calibrated; null: no score, or no stored calibration"
    )
    sampled: bool = Field(description="a score is a share of drawn answers")
    bounded: bool = Field(description="a score is the least or greatest that fits what a server tells")
    identical_to_query: bool = Field(description="the same pixels as the query")
    like_count: int = Field(description="near-duplicates folded into this match")
    like: list[PictureEntry] = Field(description="those near-duplicates")
    verdict: VerdictEntry | None = Field(description="null: the reasoner wrote nothing about it")


class PresenceEntry(Part):
    """Whether the person is believed to be in the gallery."""

    belief: Literal["probably there", "perhaps there", "perhaps absent", "unknown"] = Field(
        description="the conclusion"
    )
    sentence: str = Field(description="the conclusion in one sentence, for reading")
    score: str = Field(description="name of the number that is compared with the thresholds")
    value: float | None = Field(description="that number of the best match; null where there is none")
    thresholds: dict[str, float] = Field(description="by wanted false-positive identification rate")


class RequestEntry(Part):
    """What the reasoner was asked. `requests` went to a server; without a server there are none."""

    requests: int = Field(description="questions sent to the server, repeated ones included")
    retried: int = Field(description="of these, repeated because the one before failed")
    sampled: int = Field(description="results whose P(same) is a share of drawn answers")
    bounded: int = Field(description="results whose P(same) is a bound")
    without_score: int = Field(description="results without P(same)")
    unreadable: int = Field(description="of these, answers that could not be read")
    refused: int = Field(description="of these, pairs that the server refused")
    reasons: dict[str, int] = Field(description="how often each reason for a missing score was given")
    pairs_scored: int = Field(description="pairs with a direct score")
    reasons_written: int = Field(description="matches with a reason")
    sentences: list[str] = Field(description="what a reader must be told of this; none where all went well")


class SearchDocument(Part):
    """All of a search."""

    kind: Literal["search"] = Field(KIND, description="what the file holds")
    version: Literal[2] = Field(VERSION, description="of this form")
    created: str = Field(description="date and time, UTC")
    facts: dict[str, str | int | float] = Field(description="versions and settings, by name")
    query: list[PictureEntry] = Field(description="the pictures of the person")
    query_shown: str = Field(description="id of the picture that the reasoner was shown")
    gallery: str = Field(description="what was searched")
    searched: int = Field(description="crops that were compared")
    folded: int = Field(description="crops that stand behind a match that they are like")
    order_by: str = Field(
        description='the number that decides the order: "distance", "fused distance", "fused score", or what a '
        "re-ranker calls itself"
    )
    order_rule: str = Field(description="how that number is made, one sentence")
    score_name: str = Field(
        "direct score", description="which score of the reasoner counts, as the inference profile says"
    )
    presence: PresenceEntry = Field(description="whether the person is believed to be there")
    warnings: list[str] = Field(description="why the result may not be reliable")
    notes: list[str] = Field(description="how the gallery was read")
    notice: str = Field(description="what a reader must know of the reasoner")
    left_out: list[LeftOut] = Field(description="what was not searched")
    problems: list[str] = Field(description="one sentence for each picture that could not be used")
    requests: RequestEntry = Field(description="what the reasoner was asked")
    matches: list[MatchEntry] = Field(description="in order, the likeliest first")
    pictures: dict[str, str] = Field(
        default_factory=dict,
        description='small JPEGs as data URIs, by "query ID" and "match ID"; in report.json of the run folder alone',
    )
