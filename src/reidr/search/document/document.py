"""What a search found, written down in the form of `schema`, and as a table of its matches.

The page, the terminal's numbers and the table for spreadsheets are made from the same values.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from reidr.core.spreadsheets import safe_cell
from reidr.core.text import shown
from reidr.data.left_out import NAMES_KEPT, LeftOut
from reidr.data.pictures.pixels import pixel_digest
from reidr.data.pictures.regular_files import file_digest
from reidr.data.types import Crop
from reidr.errors import ImageError
from reidr.reasoning.rationales.claim_check import CheckedClaim
from reidr.reasoning.rationales.statements import mark_checked_statements
from reidr.reasoning.types import Verdict
from reidr.retrieval.content_key import content_key
from reidr.search.document.schema import (
    MatchEntry,
    PictureEntry,
    PresenceEntry,
    RequestEntry,
    SearchDocument,
    StatementEntry,
    VerdictEntry,
)
from reidr.search.types import Found, Match


def document_of(found: Found, *, created: str, facts: Mapping[str, str | int | float], notice: str) -> SearchDocument:
    """The document of a search."""
    reliable = not all(found.doubts) or not found.doubts
    verdicts = [match.verdict for match in found.matches if match.verdict is not None]
    scored = sum(match.score is not None for match in found.matches)
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
        score_name=found.score_name,
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
            LeftOut(kind=each.reason, text=each.sentence(), count=len(each.files), names=each.files[:NAMES_KEPT])
            for each in found.left_out
        ],
        problems=list(found.problems),
        requests=RequestEntry(
            **counts, pairs_scored=scored, reasons_written=len(verdicts), sentences=list(found.counts.sentences())
        ),
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
        reasoned_score=match.reasoned_score,
        score=match.score,
        p_same=match.probability if match.calibrated else None,
        sampled=match.sampled,
        bounded=match.bounded,
        identical_to_query=match.identical,
        like_count=len(match.like),
        like=[PictureEntry(**entry(crop)) for crop in match.like],
        verdict=None
        if match.verdict is None
        else verdict_entry(match.verdict, match.looks, reliable and not match.doubt),
    )


def verdict_entry(verdict: Verdict, looks: Sequence[CheckedClaim], reliable: bool) -> VerdictEntry:
    """The words about one match. looks: its checked claims. reliable: whether both pictures can show a person."""
    statements = mark_checked_statements(verdict.reasoning, looks) if verdict.parsable else ()
    return VerdictEntry(
        answer=verdict.answer,
        score=verdict.probability,
        words_alone=verdict.words,
        sampled=verdict.sampled,
        bounded=verdict.bounded,
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
    "direct_score", "reasoned_score", "p_same", "sampled", "bounded", "answer", "score_after_reasoning",
    "score_after_reasoning_sampled", "words_alone",
    "readable", "reliable", "identical_to_query", "doubt", "like_count", "like", "reasoning", "sha256",
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
            values |= {
                "answer": said.answer,
                "words_alone": said.words_alone,
                "score_after_reasoning": said.score,
                "readable": said.readable,
            }
            values |= {"score_after_reasoning_sampled": said.sampled, "reliable": said.reliable}
            values["reasoning"] = said.reasoning
        writer.writerow([cell(values.get(name)) for name in CSV_COLUMNS])
    return file.getvalue()


def cell(value: Any) -> Any:
    """A value as it stands in the table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return safe_cell(value)


def pictures_of(found: Found) -> dict[str, Image.Image | Path]:
    """Where the pixels of each picture of the document are, by "query" or "match" and its id."""
    pictures = {f"query {shown(crop.id)}": crop.image for crop in found.queries}
    return pictures | {f"match {shown(match.crop.id)}": match.crop.image for match in found.matches}
