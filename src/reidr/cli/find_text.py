"""What `reidr find` prints."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import click

from reidr.core.text import shown, some_of
from reidr.reasoning.rationales.claim_check import CheckedClaim
from reidr.report.search import ANSWERS
from reidr.search.document.schema import SearchDocument
from reidr.search.query.left_out import sentences
from reidr.search.types import Found, Match

MOST_PROBLEMS = 20


def say(found: Found, document: SearchDocument, page: Path, *, err: bool) -> None:
    """Print a search: what was left out and doubtful, the matches, what to think of them. `err`: all to stderr."""
    told = sentences(found.left_out, found.problems)
    for sentence in told[:MOST_PROBLEMS]:
        click.echo(shown(f"left out: {sentence}"), err=True)
    if len(told) > MOST_PROBLEMS:
        click.echo(
            f"left out: {len(told) - MOST_PROBLEMS:,} more such sentences are in {page.with_name('report.json')}",
            err=True,
        )
    for note in found.notes:
        click.echo(shown(note), err=True)
    for warning in found.warnings:
        click.echo(click.style(shown(f"warning: {warning}"), fg="yellow"), err=True)
    for rank, match in enumerate(found.matches, start=1):
        for line in match_lines(match, rank, found):
            click.echo(shown(line), err=err)
        for line in wrapped(looks_in_words(match.looks)):
            click.echo(click.style(shown(line), dim=True), err=err)
    folded = f", {found.folded:,} of them folded into a match like them" if found.folded else ""
    click.echo(f"{found.searched:,} crops searched{folded}", err=err)
    if found.matches:
        click.echo(found.order_rule, err=err)
    for sentence in (found.nobody or found.presence.sentence, *found.counts.sentences(), document.notice):
        if sentence:
            click.echo(click.style(shown(sentence), fg="yellow"), err=err)
    if document.requests.requests:
        click.echo(f"{document.requests.requests:,} requests were sent to the server", err=err)
    click.echo(shown(f"report: {page}"), err=err)


def match_lines(match: Match, rank: int, found: Found) -> list[str]:
    """One match in lines: what and where, its numbers, its reason."""
    where = [] if match.crop.camera is None else [f"camera {match.crop.camera}"]
    where += [match.shown_time] if match.shown_time else []
    where += [f"+{len(match.like)} like it"] if match.like else []
    where += ["the same picture as the query"] if match.identical else []
    lines = ["  ".join((f"{rank:3d}. {match.crop.id}", *where)), "     " + numbers(match, found)]
    if match.like:
        lines += wrapped(f"like it: {some_of([crop.id for crop in match.like])}")
    if match.doubt:
        lines += wrapped(f"can hardly be a crop of one person: {match.doubt}")
    if match.verdict is not None:
        if match.doubt or (found.doubts and all(found.doubts)):
            lines += wrapped("not to be relied on, a picture can hardly show a person:")
        lines += wrapped(match.verdict.reasoning if match.verdict.parsable else "(its answer could not be read)")
    return lines


def numbers(match: Match, found: Found) -> str:
    """The numbers of a match, the one that decides the order first: "fused score 0.931  distance 0.412 …"."""
    parts = [f"distance {match.distance:.3f}"]
    if found.order_by != "distance":
        parts.insert(0, f"{found.order_by} {match.order_value:.3f}")
    mark = marked(match.sampled, match.bounded)
    if match.probability is not None:
        name = "P(same)" if match.calibrated else found.score_name
        parts.append(f"{name} {match.probability:.2f}{mark}")
    elif found.order_by != "distance":
        parts.append("no score")
    verdict = match.verdict
    if verdict is None:
        return "  ".join(parts)
    score = "no score" if verdict.probability is None else f"score {verdict.probability:.2f}"
    after = f"after reasoning {ANSWERS[verdict.answer]}, {score}{marked(verdict.sampled, verdict.bounded)}"
    if not verdict.parsable:
        after = "its reasoning gave no answer" + (f" ({verdict.problem})" if verdict.problem else "")
    alone = "" if verdict.words is None else f"; the words alone say {verdict.words:.2f}"
    return "  ".join(parts) + f"; {after}{alone}"


def marked(sampled: bool, bounded: bool) -> str:
    """How a number that is no plain reading of the model's probabilities is marked."""
    return " (sampled)" if sampled else " (a bound)" if bounded else ""


def wrapped(text: str) -> list[str]:
    """Lines of at most 100 letters, indented; none for no text."""
    return textwrap.wrap(text, 100, initial_indent="     ", subsequent_indent="     ")


def looks_in_words(looks: Sequence[CheckedClaim]) -> str:
    """ "claim check: 4 of 5 claims consistent; shoes inconsistent (A: White); bag self-contradictory"; or nothing."""
    asked = [each for each in looks if each.ended not in (None, "self-contradictory")]
    told = [f"{sum(each.ended == 'consistent' for each in asked)} of {len(asked)} claims consistent"] if asked else []
    for each in looks:
        if each.ended in ("not visible", "inconsistent"):
            told.append(f"{each.claim.region} {each.ended.removeprefix('said ')} ({each.note})")
        elif each.ended == "self-contradictory":
            told.append(f"{each.claim.region} self-contradictory")
    return "claim check: " + "; ".join(told) if told else ""
