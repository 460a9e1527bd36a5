"""`reidr evaluate DATA`, `reidr evaluate --features FILE`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reidr.cli.command import Command
from reidr.cli.shared import (
    CACHE_OPTION,
    CHAT_ONLY,
    LAYOUT_OPTION,
    PACE,
    PRECISION_OPTION,
    REASONER_OPTION,
    RETRIEVER_OPTION,
    ROOT_OPTION,
    asked_of_server,
    server_options,
)
from reidr.core.defaults import DEFAULT_K

if TYPE_CHECKING:
    from reidr.data.types import ReIDDataset
    from reidr.evaluation.experiment.outcome import Settings
    from reidr.evaluation.features.given import GivenFeatures
    from reidr.reasoning.backends.local import Backend
    from reidr.retrieval.embedders.embedder import Embedder

FILE = click.Path(path_type=Path)


@click.command("evaluate", cls=Command)
@click.argument("data", type=FILE, required=False)
@RETRIEVER_OPTION
@PRECISION_OPTION
@REASONER_OPTION
@server_options
@click.option("--features", type=FILE, help="Measure features from this .npy, .npz or .mat file, not a retriever's.")
@click.option(
    "--query-features", type=FILE, help="With --features: file of the queries' features, if it is another one."
)
@click.option(
    "--compare",
    metavar="NAME[,NAME...]",
    help="Methods that get rows beside the reasoner's: csls, k-reciprocal, weighted, fitted, whole-list, "
    "vision-similarity, adaptive, thinking, reasoned, after-k-reciprocal, all, none, or a re-ranker of your own as "
    "module:factory. "
    "[those that cost no further question]",
)
@click.option(
    "--k",
    type=click.IntRange(1, 50),
    default=DEFAULT_K,
    help=f"First candidates of each query that the reasoner compares with it. [{DEFAULT_K}]",
)
@click.option(
    "--think", type=click.IntRange(0), default=0, help="Of these, candidates that it also writes a reason for. [0]"
)
@click.option(
    "--weight",
    type=click.FloatRange(0, 1),
    help="Weight of the reasoner's score in the order: 0 is the retriever alone. [the stored fusion]",
)
@click.option("--queries", type=click.IntRange(1), help="Measure a random sample of this many queries. [all]")
@click.option("--adaptive", is_flag=True, help="Ask the reasoner only about pairs in doubt, by its stored rule.")
@click.option(
    "--budget",
    type=click.FloatRange(0),
    help="With --adaptive: most pairs per query, on average, that are asked about.",
)
@click.option("--protocol", help="Evaluation rule by name, or your own as module:rule. [the data set's own]")
@click.option(
    "--average-precision",
    type=click.Choice(["exact", "trapezoid"]),
    default="exact",
    help="Rule of average precision; trapezoid is that of Market-1501's own code (2015). [exact]",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    help="Seed of the query sample, and of protocols that draw galleries. [0]",
)
@click.option(
    "--held-out",
    is_flag=True,
    help="Measure on the training identities that the retriever was not trained on, not on the test.",
)
@click.option(
    "--allow-missing", is_flag=True, help="Continue although half of the listed pictures, or more, are missing."
)
@LAYOUT_OPTION
@ROOT_OPTION
@click.option("--baseline/--no-baseline", default=False, help="Also measure the colour-histogram baseline.")
@click.option(
    "--reasons",
    type=click.IntRange(0),
    is_flag=False,
    flag_value=200,
    metavar="[N]",
    help="Also test the reasons for N pairs of the first k, sampled by seed; 0 for all. [200 where N is left out]",
)
@click.option("--json", "json_file", type=FILE, help="Write rows and each query's values in a versioned schema.")
@click.option("--csv", "csv_file", type=FILE, help="Write the rows as CSV.")
@click.option("--latex", "latex_file", type=FILE, help="Write the rows as a LaTeX table (booktabs).")
@click.option("--figures", type=FILE, help="Write the curves to this folder as PDF and SVG.")
@click.option("--run", "folder", type=FILE, help="Write report.html and its data to this folder.")
@CACHE_OPTION
@click.pass_context
def command(context: click.Context, /, data: Path | None, **options: Any) -> None:
    """Measure retriever, re-rankers, reasoner and oracle on the query and gallery of a data set.

    The reasoner's row is the order that `reidr find` gives with the same models; --compare adds others beside it.

    With --features, DATA gives labels and pictures. Without DATA, the file must hold the labels.
    """
    from reidr.core.run import Run, prepare_file, prepare_folder, refuse_input, refuse_own

    started = time.perf_counter()
    check_options(context, data, options)
    dataset, given = find_data(data, options)
    read = (data, options["features"], options["query_features"], options["retriever_name"])
    inputs = [each for each in read if each is not None]
    for name in ("json_file", "csv_file", "latex_file"):
        refuse_own(options[name], options["folder"])
        if options[name] is not None:
            refuse_input(options[name], inputs)
        prepare_file(options[name])
    prepare_folder(options["figures"])
    # The same evaluation may be done again in its folder; another one's is refused.
    run = None if options["folder"] is None else Run(options["folder"], "evaluate", identity(data, options))
    evaluate(dataset, given, options)
    if run is not None:
        run.finish("evaluation", started, report="report.html")


def identity(data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """What makes an evaluation the same one: every option but where to write and whether to cache."""
    elsewhere = ("folder", "json_file", "csv_file", "latex_file", "figures", "cache", *PACE)
    asked = {"data": data, **{name: value for name, value in options.items() if name not in elsewhere}}
    if asked.get("precision") == "reference":  # evaluations of earlier versions, without the option, stay the same
        del asked["precision"]
    asked = {name: value for name, value in asked.items() if name not in CHAT_ONLY or value is not None}
    return {name: str(value.absolute()) if isinstance(value, Path) else value for name, value in asked.items()}


def check_options(context: click.Context, data: Path | None, options: dict[str, Any]) -> None:
    """Sort out which options go together, and set what --features changes. Raises ReIDError in one sentence."""
    from reidr.errors import ReIDError

    def is_typed(name: str) -> bool:
        return context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT

    if options["features"] is None:
        if options["query_features"] is not None:
            raise ReIDError("--query-features needs --features, the file of the gallery's rows")
        if data is None:
            raise click.UsageError("name a data set, or a file of features by --features", context)
    else:
        if is_typed("retriever_name"):
            raise ReIDError("--features stands in the place of a retriever; drop --retriever")
        if is_typed("precision"):
            raise ReIDError("--features stands in the place of a retriever; drop --precision")
        if options["held_out"]:
            raise ReIDError(
                "--held-out needs to know which identities the retriever was trained on; a file of features does not"
            )
        if not is_typed("reasoner_name"):
            options["reasoner_name"] = "none"
        if data is None:
            asked = {"--reasoner": options["reasoner_name"] != "none", "--baseline": options["baseline"]}
            for option, value in asked.items():
                if value:
                    raise ReIDError(
                        f"{option} needs pictures; name the data set too (reidr evaluate DATA --features …)"
                    )
    asked_of_server(options)
    if options["reasons"] is not None and options["reasoner_name"] == "none":
        raise ReIDError("--reasons tests what a reasoner writes, and --reasoner is none; name one, or drop --reasons")


def find_data(data: Path | None, options: dict[str, Any]) -> tuple[ReIDDataset, GivenFeatures | None]:
    """The data set, and the features that were given for it."""
    from reidr.data.load import load_dataset
    from reidr.data.protocols.trial import check_belongs, find_protocol

    reading = {name: options[name] for name in ("layout", "root", "allow_missing")}
    dataset = None if data is None else load_dataset(data, **reading)
    rule = options["protocol"] or (None if dataset is None else dataset.protocol)
    if rule is not None:
        check_belongs(find_protocol(rule), *(("", None) if dataset is None else (dataset.name, dataset.kind)))
    if options["features"] is None:
        assert dataset is not None
        return dataset, None
    from reidr.evaluation.features.given import load_given_features

    return load_given_features(options["features"], options["query_features"], dataset, options["protocol"])


def evaluate(dataset: ReIDDataset, given: GivenFeatures | None, options: dict[str, Any]) -> None:
    """Load the models, measure, and print and write the results."""
    from reidr.cli.evaluate_output import Evaluated, tested_reasons, write_files, write_page
    from reidr.cli.evaluate_text import print_requests, print_results
    from reidr.cli.shared import load_reasoner, load_retriever
    from reidr.core.extensions import is_dotted_path
    from reidr.core.progress import progress
    from reidr.data.protocols.dataset_overlap import seen_notes
    from reidr.evaluation.experiment.experiment import run_experiment, training_data_of
    from reidr.evaluation.experiment.left_out import warnings_of
    from reidr.evaluation.results.result_file import result_document
    from reidr.retrieval.embedders.histogram import HistogramEmbedder

    name = options["reasoner_name"]
    elsewhere = name.startswith(("http://", "https://")) or is_dotted_path(name)
    served = load_reasoner(name, options["cache"], **asked_of_server(options)) if elsewhere else None
    settings = settings_from(options, served)  # before any model is loaded: it refuses what cannot be asked
    retriever: Embedder = (
        given if given is not None else load_retriever(options["retriever_name"], options["precision"])
    )
    reasoner = served or load_reasoner(name, options["cache"])
    if options["held_out"]:
        from reidr.training.tuning.held_out import held_out_search

        dataset = held_out_search(dataset, retriever, reasoner)
    started = time.perf_counter()
    baselines = [HistogramEmbedder()] if options["baseline"] else []
    outcomes = run_experiment(dataset, retriever, reasoner, settings, progress, baselines)
    document = result_document(outcomes, dataset, provenance_of(retriever, reasoner, settings))
    seen = [str(note) for note in seen_notes(dataset, training_data_of(retriever, reasoner))]
    if reasoner is not None and (foreign := settings.profile.mismatch(retriever.fingerprint)):
        seen.append(foreign)
    if reasoner is not None and settings.think and not reasoner.capabilities.think:
        from reidr.search.searching import NO_REASONS

        seen.append(NO_REASONS)
    document["notes"] += seen
    print_results(outcomes, document, [*warnings_of(dataset), *seen])
    done = Evaluated(outcomes, document, dataset, reasoner, options, started)
    if options["reasons"] is not None and reasoner is not None:
        document["reasons"] = tested_reasons(done, reasoner)
    document["requests"] = print_requests(reasoner)
    if options["folder"] is not None:
        write_page(done)
    write_files(done)


def provenance_of(retriever: Embedder, reasoner: Backend | None, settings: Settings) -> dict[str, Any]:
    """What made the numbers, for the result file."""
    return {
        "retriever": retriever.name,
        "reasoner": "none" if reasoner is None else reasoner.name,
        "fusion": settings.profile.fusion,
        "fusion_weight": settings.profile.weight,
        "k": settings.k,
        "think": settings.think,
        "seed": settings.seed,
        "sampled_queries": settings.queries,
    }


def settings_from(options: dict[str, Any], served: Backend | None = None) -> Settings:
    """What the options ask for, with the inference profile of the reasoner; of a `served` one that of its server."""
    from reidr.evaluation.experiment.outcome import settings_of
    from reidr.fusion.profile import stored_profile
    from reidr.retrieval.gallery import cache_folder

    profile = stored_profile(options["reasoner_name"]) if served is None else served.card.profile
    names = ("adaptive", "budget", "k", "queries", "think", "protocol", "seed", "weight")
    return settings_of(
        profile,
        **{name: options[name] for name in names},
        compare=compared(options.get("compare")),
        average_precision=options["average_precision"],
        cache=cache_folder() if options["cache"] else None,
    )


def compared(text: str | None) -> tuple[str, ...]:
    """The methods that `--compare` names, the default ones without it. Raises ReIDError for one that is not known."""
    from reidr.evaluation.experiment.compared_methods import chosen_methods
    from reidr.evaluation.experiment.outcome import DEFAULT_COMPARE

    if text is None:
        return DEFAULT_COMPARE
    names = [name.strip() for name in text.split(",") if name.strip()]
    chosen_methods(names)
    return tuple(names)
