"""What a search found, as a document of a fixed form: `report.json` of its run folder, and `reidr find --json`.

The page, the terminal's numbers and the table for spreadsheets are made from the same values. A field may be added
within one version; none is renamed, removed or given another meaning without a new one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from reidr.data.listing import shown
from reidr.data.pixels import pixel_digest
from reidr.data.regular_files import file_digest
from reidr.data.types import Crop
from reidr.errors import ImageError
from reidr.evaluation.find.types import Found, Match
from reidr.evaluation.statements import statements_seen_again
from reidr.retrieval.content_key import content_key

KIND, VERSION = "reidr search", 1


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
    identical_to_query: bool
    like_count: int = Field(description="near-duplicates folded into this match")
    like: list[PictureEntry]
    verdict: VerdictEntry | None = Field(description="null: the reasoner wrote nothing about it")


class LeftOutEntry(Part):
    """Files that were not searched, by reason."""

    reason: str
    detail: str
    count: int
    files: list[str] = Field(description="at most 100 names")


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
    without_score: int
    unreadable: int
    refused: int
    reasons: dict[str, int]
    pairs_scored: int
    reasons_written: int


class SearchDocument(Part):
    """All of a search."""

    kind: Literal["reidr search"] = KIND
    version: Literal[1] = VERSION
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
    left_out: list[LeftOutEntry]
    problems: list[str] = Field(description="one sentence for each picture that could not be used")
    requests: RequestEntry
    matches: list[MatchEntry]


def document_of(found: Found, *, created: str, facts: Mapping[str, str | int | float], notice: str) -> SearchDocument:
    """The document of a search."""
    reliable = not all(found.doubts) or not found.doubts
    verdicts = [match.verdict for match in found.matches if match.verdict is not None]
    scored = sum(match.direct_score is not None for match in found.matches)
    counts = found.counts.stored()
    return SearchDocument(
        created=created,
        facts=dict(facts),
        query=[
            PictureEntry(**entry(crop), doubt=doubt) for crop, doubt in zip(found.queries, found.doubts, strict=True)
        ],
        query_shown=shown(found.query.id),
        gallery=found.gallery,
        searched=found.searched,
        folded=found.folded,
        order_by=found.order_by,
        order_rule=found.order_rule,
        presence=PresenceEntry(
            belief=found.presence.belief,
            sentence=found.presence.sentence,
            score=found.presence.score,
            value=found.presence.value,
            thresholds=dict(found.presence.thresholds or {}),
        ),
        warnings=list(found.warnings),
        notes=list(found.notes),
        notice=notice,
        left_out=[
            LeftOutEntry(reason=each.reason, detail=each.detail, count=len(each.files), files=list(each.files[:100]))
            for each in found.left_out
        ],
        problems=list(found.problems),
        requests=RequestEntry(**counts, pairs_scored=scored, reasons_written=len(verdicts)),
        matches=[match_entry(match, rank, reliable) for rank, match in enumerate(found.matches, start=1)],
    )


def entry(crop: Crop) -> dict[str, Any]:
    """The fields of a `PictureEntry`."""
    path = crop.image if isinstance(crop.image, Path) else None
    sha256 = pixels = None
    try:  # a file may be gone since it was embedded
        sha256 = None if path is None else file_digest(path)
        pixels = pixel_digest(crop.open())
    except ImageError:
        pass
    return {
        "id": shown(crop.id),
        "path": None if path is None else shown(str(path.absolute())),
        "camera": crop.camera,
        "sha256": sha256,
        "pixels": pixels,
        "embedding_key": content_key(crop) or None,
    }


def match_entry(match: Match, rank: int, reliable: bool) -> MatchEntry:
    """One match of the document; `reliable`: whether the query can show a person."""
    return MatchEntry(
        **entry(match.crop),
        doubt=match.doubt,
        rank=rank,
        time=match.crop.time,
        shown_time=match.shown_time,
        order_value=match.order_value,
        distance=match.distance,
        rank_by_distance=match.rank_before,
        direct_score=match.direct_score,
        p_same=match.probability if match.calibrated else None,
        sampled=match.sampled,
        identical_to_query=match.identical,
        like_count=len(match.like),
        like=[PictureEntry(**entry(crop)) for crop in match.like],
        verdict=verdict_entry(match, reliable and not match.doubt),
    )


def verdict_entry(match: Match, reliable: bool) -> VerdictEntry | None:
    """The words about one match."""
    verdict = match.verdict
    if verdict is None:
        return None
    statements = statements_seen_again(verdict.reasoning, match.looks) if verdict.parsable else ()
    return VerdictEntry(
        answer=verdict.answer,
        score=verdict.probability,
        sampled=verdict.sampled,
        readable=verdict.parsable,
        problem=verdict.problem,
        reliable=reliable,
        reasoning=verdict.reasoning,
        statements=[
            StatementEntry(text=each.text, claims=[(region, mark) for region, mark in each.claims], note=each.note)
            for each in statements
        ],
        model=verdict.model,
        tokens=verdict.tokens,
        seconds=verdict.seconds,
    )


CSV_COLUMNS = (
    "rank", "id", "path", "camera", "time", "shown_time", "order_by", "order_value", "distance", "rank_by_distance",
    "direct_score", "p_same", "sampled", "answer", "score_after_reasoning", "score_after_reasoning_sampled", "readable",
    "reliable", "identical_to_query", "doubt", "like_count", "like", "reasoning", "sha256",
)  # fmt: skip


def csv_of(document: SearchDocument) -> str:
    """The matches as a table (RFC 4180), one line each; what is unknown is an empty cell. `like` is joined by `|`.

    A text that a spreadsheet would take for a formula is given a leading apostrophe.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for match in document.matches:
        values = match.model_dump() | {"order_by": document.order_by, "like": "|".join(each.id for each in match.like)}
        if match.verdict is not None:
            said = match.verdict
            values |= {"answer": said.answer, "score_after_reasoning": said.score, "readable": said.readable}
            values |= {"score_after_reasoning_sampled": said.sampled, "reliable": said.reliable}
            values["reasoning"] = said.reasoning
        writer.writerow([cell(values.get(name)) for name in CSV_COLUMNS])
    return file.getvalue()


def cell(value: Any) -> Any:
    """A value as it stands in the table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def pictures_of(found: Found) -> dict[str, Image.Image | Path]:
    """Where the pixels of each picture of the document are, by "query" or "match" and its id."""
    pictures = {f"query {shown(crop.id)}": crop.image for crop in found.queries}
    return pictures | {f"match {shown(match.crop.id)}": match.crop.image for match in found.matches}
