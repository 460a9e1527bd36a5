"""What `reidr evaluate` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from reidr.core.text import shown
from reidr.evaluation.experiment.outcome import Outcome
from reidr.reasoning.backends.local import Backend
from reidr.reasoning.types import RequestCounts
from reidr.report.build import text_table


def print_results(outcomes: Sequence[Outcome], document: dict[str, Any], notes: Sequence[str] = ()) -> None:
    """The table, what it is of, and what took no part; `notes` are further sentences."""
    click.echo(text_table(outcomes))
    click.echo(
        f"{document['dataset']}, protocol {document['protocol']}, {document['queries']} queries "
        f"({document['queries_without_match']} without a match), gallery {document['gallery']}"
        + (f", mean of {len(outcomes)} draws" if len(outcomes) > 1 else "")
        + (", trapezoid average precision" if document["average_precision"] == "trapezoid" else "")
    )
    for entry in document["left_out"]:
        click.echo(shown(f"left out: {entry['text']}"))
    for note in notes:
        click.echo(shown(f"note: {note}"), err=True)
    if "open_set" in document:
        click.echo(
            f"open set: {document['mated_queries']} mated and {document['non_mated_queries']} non-mated searches of "
            f"N = {document['enrolled_identities']} enrolled identities"
        )


def print_requests(reasoner: Backend | None) -> dict[str, Any]:
    """Print what the reasoner was asked and how that ended, as `find` does; return it for the result file."""
    counts = RequestCounts() if reasoner is None else reasoner.counts
    for sentence in counts.sentences():
        click.echo(click.style(shown(sentence), fg="yellow"))
    if counts.requests:
        click.echo(f"{counts.requests:,} requests were sent to the server")
    return {**counts.stored(), "sentences": list(counts.sentences())}
