"""The report of `reidr find`: one query, its matches with reasons, no truth known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

from reidr.evaluation.report.content import Fact, QueryCard, Report, Statement
from reidr.evaluation.report.headline import taken
from reidr.evaluation.second_look import Look

LOOKED_AGAIN = (
    "What a claim states of a crop was asked again, of that crop alone and with no verdict to come. No truth is needed "
    "for it, and it proves none: a mistake may be made twice. A claim without a stamp states nothing that could be "
    "asked."
)
NO_TRUTH = "Nobody has said who these people are: no candidate here is known to be right or wrong."


def find_report(
    query: QueryCard,
    *,
    gallery: str,
    gallery_size: int,
    created: str,
    facts: Mapping[str, Fact],
    notice: str = "",
) -> Report:
    """What one search found, ready for `write_report`.

    Args:
        query: the searched crop with its candidates. Their marks become `unknown` (junk stays junk); marks of claims
            but those of a second look, persons, status and average precisions are dropped: a search has no truth, and
            the page must suggest none.
        gallery: the folder's or gallery's name. gallery_size: crops searched.
        created, facts, notice: as in `Report`.
    """
    candidates = tuple(
        replace(
            candidate,
            mark="junk" if candidate.mark == "junk" else "unknown",
            person=candidate.person if candidate.mark == "junk" else None,
            statements=tuple(without_truth(statement) for statement in candidate.statements),
        )
        for candidate in query.candidates
    )
    card = replace(
        query,
        candidates=candidates,
        person=None,
        status="",
        average_precision_before=None,
        average_precision_after=None,
    )
    return Report(
        title=f"Who in {gallery} looks like {file_name(query.id)}?",
        subtitle=f"{gallery_size:,} crops searched, the nearest {len(candidates)} shown",
        notice=f"{notice} {NO_TRUTH}".strip(),
        headline=find_headline(card, gallery_size),
        created=created,
        facts=facts,
        query_cards=(card,),
        checked=LOOKED_AGAIN if any(s.claims for c in candidates for s in c.statements) else "",
    )


def without_truth(statement: Statement) -> Statement:
    """The statement with no more marks than those of a second look."""
    return replace(statement, claims=tuple(claim for claim in statement.claims if claim[1] in get_args(Look)))


def find_headline(card: QueryCard, gallery_size: int) -> str:
    """How many candidates the reasoner takes for the same person, and which comes first."""
    asked = [candidate for candidate in card.candidates if candidate.answer is not None]
    if not card.candidates:
        return f"Nothing to show: none of {gallery_size:,} crops could be ranked."
    first = min(card.candidates, key=lambda candidate: candidate.rank)
    if not asked:
        return f"The nearest of {gallery_size:,} crops is {file_name(first.id)}; the reasoner was not asked."
    verdict = taken([str(candidate.answer) for candidate in asked], "it looked at")
    if not any(candidate.answer == "same" for candidate in asked):
        return f"{verdict}."
    return f"{verdict}; {file_name(first.id)} comes first."


def file_name(crop_id: str) -> str:
    """The last part of an id that is a path."""
    return crop_id.rsplit("/", 1)[-1] or crop_id
