"""`reidr find PERSON.jpg --in FOLDER`."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reidr.cli.shared import CACHE_OPTION, REASONER_OPTION, RETRIEVER_OPTION

if TYPE_CHECKING:
    from reidr.evaluation.second_look import Looked

ANSWERS = {"same": "says same", "different": "says different", "insufficient": "cannot tell"}


def looks_in_words(looks: Sequence[Looked]) -> str:
    """ "second look: 4 of 5 claims said again; shoes otherwise (A: White); bag contradicts itself"; or nothing."""
    asked = [each for each in looks if each.ended not in (None, "contradicts itself")]
    told = [f"{sum(each.ended == 'said again' for each in asked)} of {len(asked)} claims said again"] if asked else []
    for each in looks:
        if each.ended in ("not seen again", "said otherwise"):
            told.append(f"{each.claim.region} {each.ended.removeprefix('said ')} ({each.note})")
        elif each.ended == "contradicts itself":
            told.append(f"{each.claim.region} contradicts itself")
    return "second look: " + "; ".join(told) if told else ""


@click.command("find")
@click.argument("person", type=click.Path(path_type=Path))
@click.option(
    "--in", "gallery", type=click.Path(path_type=Path), required=True, help="Folder of person crops to search."
)
@click.option("--k", type=click.IntRange(1, 100), default=10, help="Number of matches. [10]")
@click.option("--think", type=click.IntRange(0), help="Give reasons for this many of them. [all]")
@click.option(
    "--second-look/--no-second-look",
    "second_look",
    default=True,
    help="Ask again, of each crop alone, what the reasons state; a server is never asked. [on]",
)
@click.option(
    "--run", "folder", type=click.Path(path_type=Path), default=Path("runs/find"), help="Where the report goes."
)
@RETRIEVER_OPTION
@REASONER_OPTION
@CACHE_OPTION
def command(
    person: Path,
    gallery: Path,
    k: int,
    think: int | None,
    second_look: bool,
    folder: Path,
    retriever_name: str,
    reasoner_name: str,
    cache: bool,
) -> None:
    """Find a person in a folder of crops; prints the matches with a reason each and writes a report."""
    from reidr.cli.shared import facts_of, load_reasoner, load_retriever, notice_of
    from reidr.evaluation.find import search
    from reidr.evaluation.present import found_card, now
    from reidr.evaluation.report import find_report, write_report
    from reidr.evaluation.report.store import save_report
    from reidr.frame.run import prepare_folder

    prepare_folder(folder)
    started = time.perf_counter()
    retriever = load_retriever(retriever_name)
    reasoner = load_reasoner(reasoner_name, cache)
    found = search(
        person, gallery, k, retriever=retriever, reasoner=reasoner, think=think, second_look=second_look, keep=cache
    )
    for problem in found.problems:
        click.echo(f"left out: {problem}", err=True)
    notice = notice_of(reasoner)
    for place, match in enumerate(found.matches, start=1):
        same = "" if match.probability is None else f"  P(same) {match.probability:.2f}"
        answer = ""
        if match.verdict is not None:
            thought = f" with P(same) {match.verdict.probability:.2f}" if match.verdict.parsable else ""
            answer = f"; after thinking {ANSWERS[match.verdict.answer]}{thought}"
        click.echo(f"{place:3d}. {match.crop.id}  distance {match.distance:.3f}{same}{answer}")
        if match.verdict is not None:
            text = match.verdict.reasoning if match.verdict.parsable else "(its answer could not be read)"
            click.echo(textwrap.fill(text or "(no words)", 100, initial_indent="     ", subsequent_indent="     "))
            if second := looks_in_words(match.looks):
                click.echo(
                    click.style(textwrap.fill(second, 100, initial_indent="     ", subsequent_indent="     "), dim=True)
                )
    for sentence in (found.absent, notice):
        if sentence:
            click.echo(click.style(sentence, fg="yellow"))
    report = find_report(
        found_card(found),
        gallery=str(gallery),
        gallery_size=found.searched,
        created=now(),
        notice=f"{found.absent} {notice}".strip(),
        facts=facts_of(
            {
                "retriever": retriever.name,
                "reasoner": reasoner_name,
                "k": k,
                "second look": "yes" if any(match.looks for match in found.matches) else "no",
                "seconds": round(time.perf_counter() - started, 1),
            }
        ),
    )
    save_report(report, folder)
    click.echo(f"report: {write_report(report, folder)}")
