"""What a search of a gallery prints."""

from __future__ import annotations

import textwrap
from pathlib import Path

import click

from reidr.core.text import chance_in_words, shown
from reidr.report.case.document import camera_words, moment
from reidr.search.appearances.case import Case
from reidr.search.appearances.types import Appearance, FoundTrack, Reason

MARKS = {"same": "confirmed", "different": "rejected", "undecided": ""}


def say_case(case: Case, page: Path | None, *, err: bool = False) -> None:
    """Print an answer: whether the person is here, when and where, and what to think of it. `err`: all to stderr."""
    answer = case.answer
    if answer is None:
        click.echo(shown(f"Case {case.id} has no answer yet; search with reidr find --case {case.id}"), err=err)
        return
    for sentence in (*answer.warnings, *answer.words_sentences, *answer.notes):
        click.echo(click.style(shown(f"note: {sentence}"), fg="yellow"), err=True)
    click.echo(click.style(shown(answer.presence.sentence), bold=True), err=err)
    reasons = {reason.track: reason for reason in case.reasons}
    for appearance in answer.appearances:
        for line in appearance_lines(appearance, reasons):
            click.echo(shown(line), err=err)
    click.echo(f"{answer.searched:,} crops searched. {answer.order_rule}", err=err)
    for sentence in (answer.thresholds.sentence if answer.thresholds.score else "", answer.notice):
        if sentence:
            click.echo(click.style(shown(sentence), fg="yellow"), err=err)
    if case.id:
        click.echo(shown(f"case: {case.id}, {len(case.standing()):,} tracks decided"), err=err)
    if page is not None:
        click.echo(shown(f"report: {page}"), err=err)


def appearance_lines(appearance: Appearance, reasons: dict[str, Reason]) -> list[str]:
    """One appearance in lines: where and when, how likely, its tracks, and the reasons for those in doubt."""
    when = "time unknown" if appearance.start is None else moment(appearance.start)
    if appearance.end is not None and appearance.end != appearance.start:
        when += f" to {moment(appearance.end)}"
    mark = MARKS[appearance.decided] or ("in doubt" if appearance.doubtful else "")
    lines = [
        "  ".join(part for part in (f"{appearance.rank:3d}. {camera_words(appearance.camera)}", when, mark) if part)
    ]
    for track in appearance.tracks:
        lines.append(f"     {numbers(track)}")
        if track.travel is not None:
            lines += wrapped(track.travel.sentence)
        if track.doubt:
            lines += wrapped(f"can hardly be a crop of one person: {track.doubt}")
        if track.track in reasons:
            verdict = reasons[track.track].verdict
            lines += wrapped(verdict.reasoning if verdict.readable else "(its answer could not be read)")
    return lines


def numbers(track: FoundTrack) -> str:
    """The numbers of a track: "track door-7  93% likely the same person"."""
    parts = [f"track {track.track}"]
    if track.p_same is not None:
        parts.append(f"{chance_in_words(track.p_same)} likely the same person")
    elif track.direct_score is not None:
        parts.append(f"the model's own guess {chance_in_words(track.direct_score)}")
    elif track.distance is not None:
        parts.append(f"difference in looks {track.distance:.2f} of 2")
    if track.p_words is not None:
        parts.append(f"{chance_in_words(track.p_words)} likely to fit the words")
    if track.decided != "undecided":
        parts.append(MARKS[track.decided])
    return "  ".join(parts)


def wrapped(text: str) -> list[str]:
    """A text in lines below a track."""
    return textwrap.wrap(text, 96, initial_indent="       ", subsequent_indent="       ")
