"""`reidr demo`: the main job, on a rendered street."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import click

from reidr.cli.command import Command
from reidr.core.defaults import DEFAULT_K


@click.command("demo", cls=Command)
@click.option(
    "--run", "folder", type=click.Path(path_type=Path), default=Path("runs/demo"), help="Run folder. [runs/demo]"
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the street. [0]")
@click.option(
    "--k",
    type=click.IntRange(1, 20),
    default=DEFAULT_K,
    help=f"First candidates of each query that the reasoner compares with it. [{DEFAULT_K}]",
)
@click.option(
    "--think", type=click.IntRange(0), default=5, help="Of these, candidates that it also writes a reason for. [5]"
)
def command(folder: Path, seed: int, k: int, think: int) -> None:
    """Render a small street of drawn people, search it, compare the first candidates and write report.html.

    People look alike, some change clothes between cameras, some are not in the gallery. Everything is drawn by our own
    code: no photo, no download.
    """
    from reidr.cli.shared import facts_of, load_reasoner, load_retriever, notice_of
    from reidr.core.progress import progress
    from reidr.core.run import Run, write_json
    from reidr.data.synthetic.plan import plan_street
    from reidr.data.synthetic.settings import StreetSettings
    from reidr.data.synthetic.street import render_street
    from reidr.evaluation.experiment.experiment import run_experiment
    from reidr.evaluation.experiment.outcome import settings_of
    from reidr.evaluation.results.rows import rows_json
    from reidr.fusion.profile import stored_profile
    from reidr.report import write_report
    from reidr.report.build import build_report, text_table
    from reidr.report.files.store import save_report
    from reidr.retrieval.embedders.histogram import HistogramEmbedder

    started = time.perf_counter()
    run = Run(folder, "demo", {"seed": seed, "k": k, "think": think})
    if run.finished("evaluation") and (folder / "report.html").is_file():
        click.echo(f"already done: {folder / 'report.html'} (delete {folder} to run it anew)")
        return
    street = StreetSettings(seed=seed)
    with progress("rendering the street", len(plan_street(street).sightings)) as advance:
        dataset = render_street(folder / "street", street, advance)
    retriever, reasoner = load_retriever("lite"), load_reasoner("nano", cache=False)
    profile = stored_profile("nano")
    settings = settings_of(profile, k=k, think=think, seed=seed)  # the very order that `find` gives in this street
    outcomes = run_experiment(dataset, retriever, reasoner, settings, progress, [HistogramEmbedder()])
    seconds = time.perf_counter() - started
    report = build_report(
        outcomes,
        title="A rendered street",
        notice=notice_of(reasoner),
        facts=facts_of(
            {
                "data set": "rendered street",
                "protocol": outcomes[0].trial.protocol.name,
                "retriever": retriever.name,
                "reasoner": "nano",
                "fusion": f"{settings.profile.fusion}, tuned on {profile.chosen_on}",
                "k": k,
                "seed": seed,
                "seconds": round(seconds, 1),
            }
        ),
        remarks=() if reasoner is None else reasoner.counts.sentences(),
    )
    click.echo(text_table(outcomes))
    write_json(run.path("rows.json"), rows_json(outcomes))
    subtitle = "Drawn people, several cameras: look-alikes, changed clothes, people who are not in the gallery"
    report = replace(report, subtitle=subtitle)
    save_report(report, folder)
    page = write_report(report, folder)
    run.finish("evaluation", started, report="report.html")
    click.echo(f"report: {page}  ({seconds:.0f} s)")
