"""`reidr evaluate DATA`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from reidr.cli.command import Command
from reidr.cli.shared import CACHE_OPTION, REASONER_OPTION, RETRIEVER_OPTION


@click.command("evaluate", cls=Command)
@click.argument("data", type=click.Path(path_type=Path))
@RETRIEVER_OPTION
@REASONER_OPTION
@click.option("--k", type=click.IntRange(1, 50), default=10, help="Candidates per query put before the reasoner. [10]")
@click.option("--think", type=click.IntRange(0), default=0, help="Let it also think about this many of them. [0]")
@click.option("--weight", type=click.FloatRange(0, 1), help="Fusion weight. [the one chosen on training identities]")
@click.option("--queries", type=click.IntRange(1), help="Sample this many queries by seed. [all]")
@click.option("--adaptive", is_flag=True, help="Ask only where the policy chosen on training identities doubts.")
@click.option("--budget", type=click.FloatRange(0), help="With --adaptive: pairs per query that may be asked.")
@click.option("--protocol", help="Evaluation rule by name. [the data set's own]")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the query sample and of protocol draws. [0]")
@click.option("--held-out", is_flag=True, help="Use the training identities that the retriever never saw instead.")
@click.option("--allow-missing", is_flag=True, help="Go on where half of the pictures that a list names are missing.")
@click.option("--root", type=click.Path(path_type=Path), help="Of a manifest: the folder its pictures may lie in.")
@click.option("--baseline/--no-baseline", default=False, help="Also measure the colour-histogram baseline.")
@click.option(
    "--reasons",
    type=click.IntRange(0),
    is_flag=False,
    flag_value=200,
    metavar="[N]",
    help="Also test the reasons for N pairs of the first k, drawn by seed; 0 for all. [200 where N is left out]",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the rows to this file.")
@click.option("--run", "folder", type=click.Path(path_type=Path), help="Write report.html and its data to this folder.")
@CACHE_OPTION
def command(
    data: Path,
    retriever_name: str,
    reasoner_name: str,
    k: int,
    think: int,
    weight: float | None,
    adaptive: bool,
    budget: float | None,
    queries: int | None,
    protocol: str | None,
    seed: int,
    held_out: bool,
    allow_missing: bool,
    root: Path | None,
    baseline: bool,
    reasons: int | None,
    json_file: Path | None,
    folder: Path | None,
    cache: bool,
) -> None:
    """Measure retriever, k-reciprocal, reasoner and the oracle at k on a data set's query and gallery."""
    from reidr.cli.shared import facts_of, load_reasoner, load_retriever, notice_of
    from reidr.data.families import seen_notes
    from reidr.data.load import load_dataset
    from reidr.errors import ReIDError
    from reidr.evaluation.experiment import run_experiment, training_data_of
    from reidr.evaluation.outcome import settings_of
    from reidr.evaluation.present import build_report, rows_json, text_table
    from reidr.frame.progress import progress
    from reidr.frame.run import prepare_file, prepare_folder, write_json
    from reidr.reasoning.decision import stored_decision
    from reidr.retrieval.gallery import cache_folder
    from reidr.retrieval.histogram import HistogramEmbedder

    if reasons is not None and reasoner_name == "none":
        raise ReIDError("--reasons tests what a reasoner writes, and --reasoner is none; name one, or drop --reasons")
    dataset = load_dataset(data, root=root, allow_missing=allow_missing)
    prepare_file(json_file)
    prepare_folder(folder)
    retriever, reasoner = load_retriever(retriever_name), load_reasoner(reasoner_name, cache)
    if held_out:
        from reidr.training.decide import held_out_search

        dataset = held_out_search(dataset, retriever, reasoner)
    decision = stored_decision(reasoner_name)
    settings = settings_of(
        decision,
        adaptive=adaptive,
        budget=budget,
        k=k,
        queries=queries,
        think=think,
        weight=weight if weight is not None else decision.weight,
        protocol=protocol,
        seed=seed,
        cache=cache_folder() if cache else None,
    )
    started = time.perf_counter()
    baselines = [HistogramEmbedder()] if baseline else []
    outcomes = run_experiment(dataset, retriever, reasoner, settings, progress, baselines)
    first = outcomes[0]
    for note in (*first.trial.notes, *seen_notes(dataset, training_data_of(retriever, reasoner))):
        click.echo(f"note: {note}", err=True)
    for problem in first.problems:
        click.echo(f"left out: {problem}", err=True)
    click.echo(text_table(outcomes))
    counted = rows_json(outcomes)
    click.echo(
        f"{dataset.name}, protocol {counted['protocol']}, {counted['queries']} queries "
        f"({counted['queries_without_match']} without a match), gallery {counted['gallery']}"
        + (f", mean of {len(outcomes)} draws" if len(outcomes) > 1 else "")
    )
    if "open_set" in counted:
        click.echo(
            f"open set: {counted['mated_queries']} mated and {counted['non_mated_queries']} non-mated searches of "
            f"N = {counted['enrolled_identities']} enrolled identities"
        )
    tested = None
    if reasons is not None and reasoner is not None:
        from reidr.evaluation.reason_numbers import number_lines
        from reidr.evaluation.reasons_run import run_reasons

        tested = run_reasons(first, reasoner, dataset.root, k, reasons, seed, progress, click.echo)
        click.echo(number_lines(tested.tested))
        counted["reasons"] = tested.document()
    if folder is not None:
        from reidr.evaluation.report import write_report
        from reidr.evaluation.report.store import save_report

        facts = facts_of(
            {
                "data set": dataset.name,
                "protocol": counted["protocol"],
                "draws": f"{len(outcomes)}; lists, curves and reasons of draw 1" if len(outcomes) > 1 else None,
                "retriever": retriever.name,
                "reasoner": reasoner.name if reasoner is not None else "none",
                "fusion weight": settings.weight,
                "k": k,
                "seed": seed,
                "seconds": round(time.perf_counter() - started, 1),
            }
        )
        if tested is not None:
            from reidr.evaluation.present import now
            from reidr.evaluation.reasons_run import reasons_page
            from reidr.evaluation.report.reasons import write_reasons

            page = reasons_page(tested, title=dataset.name, created=now(), facts=facts, notice=notice_of(reasoner))
            click.echo(f"reasons: {write_reasons(page, folder)}")
        report = build_report(outcomes, title=f"{dataset.name}", notice=notice_of(reasoner), facts=facts)
        save_report(report, folder)
        click.echo(f"report: {write_report(report, folder)}")
    # Last: whatever may happen to this file, the run folder is there.
    if json_file is not None:
        write_json(json_file, counted)
