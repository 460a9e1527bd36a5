"""What several commands do alike: load models by option, and say which they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from reidr.reasoning.backends.local import Backend
    from reidr.retrieval.embedders.embedder import Embedder
    from reidr.retrieval.embedders.precision import Precision

RETRIEVER_OPTION = click.option(
    "--retriever",
    "retriever_name",
    default="lite",
    help="Which embedder ranks the gallery: a shipped one (lite, attributes, histogram), the folder of a trained one, "
    "an .onnx file, a checkpoint of torchreid or TransReID (.pth, .safetensors), or one of your own as module:factory. "
    "[lite]",
)
PRECISION_OPTION = click.option(
    "--precision",
    type=click.Choice(["reference", "fast"]),
    default="reference",
    help="How a trained retriever is computed; fast takes a third of the time and gives slightly different distances. "
    "[reference]",
)
REASONER_OPTION = click.option(
    "--reasoner",
    "reasoner_name",
    default="nano",
    help="Which model compares pairs of pictures: a shipped one (nano), a checkpoint folder, a Hugging Face id, "
    "the URL of a chat server or (ending in /rerank or /score) of a reranking server, or none. [nano]",
)
SERVER_OPTIONS = {
    "samples": click.option(
        "--samples",
        type=click.IntRange(1),
        help="With a chat server that gives no log-probabilities: answers drawn for each question. [8]",
    ),
    "thinking_tokens": click.option(
        "--thinking-tokens",
        type=click.IntRange(0),
        help="With a chat server: tokens more for a model that thinks by itself before it answers. [2048]",
    ),
    "concurrency": click.option(
        "--concurrency", type=click.IntRange(1), help="With a server: requests under way at a time. [8]"
    ),
    "per_second": click.option(
        "--per-second",
        type=click.FloatRange(0, min_open=True),
        help="With a server: most requests a second. [no limit]",
    ),
    "tries": click.option(
        "--tries", type=click.IntRange(1), help="With a server: how often a request is sent at most. [8]"
    ),
    "timeout": click.option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        help="With a server: seconds to wait for one answer. [120]",
    ),
}
"""How a server is asked, by the names of `RemoteSettings`. None of them counts for a model in this process."""
CHAT_ONLY = ("samples", "thinking_tokens")
PACE = ("concurrency", "per_second", "tries", "timeout")
"""Those that change no result."""
LAYOUT_OPTION = click.option(
    "--layout", help="Read DATA by this layout: a name, or a loader of your own as module:loader. [found by its files]"
)
ROOT_OPTION = click.option(
    "--root", type=click.Path(path_type=Path), help="For a manifest: the folder its pictures may lie in. [its own]"
)
CACHE_OPTION = click.option(
    "--cache/--no-cache", default=True, help="Keep embeddings and scores of pairs for later runs. [cache]"
)
RUNS_OPTION = click.option(
    "--runs",
    "roots",
    type=click.Path(path_type=Path),
    multiple=True,
    default=(Path("runs"),),
    help="Folder with run folders below it; may be given several times. [runs, and wherever searches have reported to]",
)


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that adds `SERVER_OPTIONS` to a command."""
    for option in reversed(SERVER_OPTIONS.values()):
        command = option(command)
    return command


def asked_of_server(options: dict[str, Any]) -> dict[str, Any]:
    """Those of `SERVER_OPTIONS` that were given, for `load_reasoner`.

    Raises click.UsageError for one that the reasoner which `options` name cannot use.
    """
    from reidr.reasoning.backends.chat_server.addresses import reranking_of

    name = options["reasoner_name"]
    given = {key: options[key] for key in SERVER_OPTIONS if options[key] is not None}
    for key in given:
        option = f"--{key.replace('_', '-')}"
        if not name.startswith(("http://", "https://")):
            raise click.UsageError(f"{option} says how a server is asked, but --reasoner {name} is no server's address")
        if key in CHAT_ONLY and reranking_of(name):
            raise click.UsageError(f"{option} belongs to a chat server; a reranking server writes no answers")
    return given


def load_retriever(name: str, precision: Precision = "reference") -> Embedder:
    """The embedder an option names. Raises WeightsError with one sentence."""
    from reidr.retrieval.embedders.registry import load_embedder

    return load_embedder(name, precision)


def load_reasoner(name: str, cache: bool = True, **asked: Any) -> Backend | None:
    """The reasoner an option names, None for `none`; with `cache` it is not asked again what it was asked before.

    `asked`: as `asked_of_server` gives them.
    """
    if name == "none":
        return None
    from reidr.reasoning.backends.loading import load_reasoner as load
    from reidr.reasoning.backends.verdict_cache import ForgivingCache, default_path

    return load(name, cache=ForgivingCache(default_path()) if cache else None, **asked)


def notice_of(reasoner: Backend | None) -> str:
    """What a reader of the report must know of the reasoner, from its model card's first facts."""
    if reasoner is None:
        return ""
    return reasoner.card.profile.notice


def prepare_output(path: Path | None, inputs: Iterable[Path | str] = ()) -> bool:
    """`run.prepare_file` for an option whose `-` is stdout; returns whether it is, so that all else goes to stderr."""
    from reidr.core.run import prepare_file

    to_stdout = path == Path("-")
    prepare_file(None if to_stdout else path, inputs)
    return to_stdout


def write_output(path: Path, content: Any) -> None:
    """JSON to a file, or to stdout for `-`. Raises ReIDError where it cannot be written."""
    import json

    from reidr.core.storage.files import write_json

    if path == Path("-"):
        click.echo(json.dumps(content, indent=2, default=str))  # ASCII: a terminal of any encoding
    else:
        write_json(path, content)


def facts_of(pairs: dict[str, Any]) -> dict[str, str | int | float]:
    """Facts for a page: versions and commit put after what the command knows."""
    from reidr.core.run import environment

    facts: dict[str, str | int | float] = {name: value for name, value in pairs.items() if value is not None}
    found = environment()
    facts["versions"] = ", ".join(f"{name} {version}" for name, version in found["packages"].items())
    facts["python"] = found["python"]
    if "commit" in found:
        facts["commit"] = found["commit"]
    return facts
