"""`reidr serve`: the search service and its page."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from reidr.cli.command import Command
from reidr.cli.shared import REASONER_OPTION

if TYPE_CHECKING:
    import socket

    from reidr.service.api.settings import ServiceLimits
    from reidr.service.finding.models import Models
    from reidr.service.records.records import RecordStore
    from reidr.service.store.store import GalleryStore

LIMITS = {
    "max_waiting": "waiting",
    "max_request": "request_bytes",
    "max_memory": "memory_bytes",
    "per_second": "per_second",
    "grace": "grace_seconds",
}
"""Which option sets which limit."""
WEB_PACKAGES = ("fastapi", "starlette", "uvicorn", "h11", "prometheus_client")


@dataclass(frozen=True)
class Served:
    """What is served, and where."""

    gallery: str | None
    records: str | None
    host: str
    port: int
    retriever: str | None
    reasoner: str
    travel_times: Path | None


@click.command("serve", cls=Command)
@click.option(
    "--gallery",
    help="The gallery: a folder, postgresql://USER@HOST/DATABASE?gallery=NAME, or http://HOST:6333/NAME of Qdrant. "
    "[a small drawn street to try it with]",
)
@click.option(
    "--records",
    help="Where keys, cases and the audit log are: a folder or a postgresql:// address. [with the gallery]",
)
@click.option("--host", default="127.0.0.1", help="Address to listen on. [127.0.0.1: this machine only]")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, help="Port to listen on; 0 takes a free one. [8000]"
)
@click.option(
    "--retriever",
    help="Which embedder finds people, for a gallery that is empty or whose own has moved. [the gallery's own]",
)
@REASONER_OPTION
@click.option(
    "--travel-times",
    type=click.Path(path_type=Path),
    help="CSV table of how long people take between cameras: from, to, least, usual, most (seconds).",
)
@click.option(
    "--max-waiting", type=click.IntRange(1), help="Most requests that wait for the models; more get 429. [256]"
)
@click.option("--max-request", type=click.IntRange(1), help="Most bytes of a request. [16000000]")
@click.option("--max-memory", type=click.IntRange(1), help="Most bytes of all requests held at one time. [256000000]")
@click.option(
    "--per-second", type=click.FloatRange(0, min_open=True), help="Most requests a second of one key, on average. [50]"
)
@click.option(
    "--grace", type=click.FloatRange(0, min_open=True), help="Seconds to finish what is under way when stopped. [8]"
)
def command(gallery: str | None, records: str | None, host: str, port: int, **given: Any) -> None:
    """Serve a gallery: a page to find people on, and an HTTP API.

    Without a gallery a small drawn street with two cameras is made, so that everything can be tried at once.

    As long as there are no keys, whoever works at this machine may do everything, and nobody else can reach the
    service. Once there are (`reidr keys add`), every request needs one, and the service may listen on other addresses.
    Keys and pictures are sent as they are: put a proxy with TLS in front of a service that others reach.

    Ctrl-C or SIGTERM stops it: requests under way are finished first, and the exit code is 0.
    """
    from reidr.errors import MissingExtraError

    told: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        """Before the service runs nothing is under way, so nothing is lost. A second signal changes nothing."""
        told.append(number)
        if len(told) == 1:
            raise SystemExit(0)

    try:
        from reidr.service.api.settings import ServiceLimits
        from reidr.service.http.signals import ended_by
    except ModuleNotFoundError as error:
        raise missing(error) from None
    bounds: Any = {limit: given[name] for name, limit in LIMITS.items() if given[name] is not None}
    served = Served(gallery, records, host, port, given["retriever"], given["reasoner_name"], given["travel_times"])
    # Before anything slow is imported: process 1 of a container ignores a SIGTERM that nobody handles.
    with ended_by(end):
        try:
            serve(served, ServiceLimits(**bounds), told)
        except ModuleNotFoundError as error:
            raise missing(error) from None
        except MissingExtraError:
            raise
        except Exception:  # an import that a signal has cut off ends in any of them
            if not told:
                raise
    click.echo("ended")


def missing(error: ModuleNotFoundError) -> Exception:
    """What to say of a package that is not installed; the error itself where it is none of the extra's."""
    from reidr.errors import MissingExtraError

    if error.name is None or error.name.split(".")[0] not in WEB_PACKAGES:
        return error
    return MissingExtraError(f"the service needs {error.name}; install with: pip install 'reidr[service]'")


def serve(served: Served, limits: ServiceLimits, told: list[int]) -> None:
    """Open everything, say where, serve until told to stop; `told`: the signals that have come. Raises ReIDError."""
    from reidr.service.http.server import bind

    with contextlib.ExitStack() as stack:
        bound = stack.enter_context(bind(served.host, served.port))
        gallery = demo(served) if served.gallery is None else served.gallery
        records = open_records_of(served, gallery)
        stack.callback(records.close)
        warnings, keyed = binding(served.host, records)
        from reidr.service.store.opening import open_store

        store = open_store(gallery, new=served.gallery is not None)
        stack.callback(store.close)
        models = models_of(served, store)
        for warning in warnings:
            click.echo(f"reidr: {warning}", err=True)
        if told:  # Python swallows some exceptions, in callbacks
            return
        run(served, limits, (store, records, models), bound, keyed)


def demo(served: Served) -> str:
    """The gallery of the drawn street, made where it is not there yet; says so."""
    from reidr.core.progress import progress
    from reidr.retrieval.embedders.registry import load_embedder
    from reidr.retrieval.embedders.retriever import DEFAULT
    from reidr.service.demo import crops_drawn, demo_gallery, known_demo

    embedder = load_embedder(served.retriever or DEFAULT)
    made = known_demo(embedder)
    if made is None:
        with progress("drawing a street to try it with", crops_drawn()) as advance:
            made = demo_gallery(embedder, advance)
    click.echo(f"no gallery was named: this is a drawn street with two cameras, kept in {made.folder}")
    click.echo(f"pictures of people to search for are in {made.people}; or start from anybody on the page")
    return str(made.folder)


def open_records_of(served: Served, gallery: str) -> RecordStore:
    """The records beside the gallery, or where they were said to be."""
    from reidr.service.records.opening import open_records

    return open_records(served.records or gallery)


def binding(host: str, records: RecordStore) -> tuple[list[str], bool]:
    """What must be said of listening at `host`, and whether a key is wanted. Raises ReIDError where that is refused."""
    from reidr.service.security.binding import check_binding
    from reidr.service.security.keys import has_keys

    keyed = has_keys(records)
    return check_binding(host, has_keys=keyed), keyed


def models_of(served: Served, store: GalleryStore) -> Models:
    """The models that search the gallery, loaded."""
    from reidr.service.finding.models import load_models

    reasoner = None if served.reasoner == "none" else served.reasoner
    return load_models(store, served.retriever, reasoner)


def run(
    served: Served,
    limits: ServiceLimits,
    parts: tuple[GalleryStore, RecordStore, Models],
    bound: socket.socket,
    keyed: bool,
) -> None:
    """Listen and answer until told to stop."""
    from reidr.search.appearances.travel import read_travel_times
    from reidr.service.api.app import create_app
    from reidr.service.api.housekeeping import housekeeping
    from reidr.service.api.service import SearchService
    from reidr.service.http.server import HttpServer
    from reidr.service.notifying.delivery import delivering
    from reidr.service.page.routes import page_routes
    from reidr.service.security.binding import is_loopback

    travel = () if served.travel_times is None else read_travel_times(served.travel_times)
    service = SearchService(*parts, limits, travel_times=travel)
    app = create_app(service, keyed=keyed, local=is_loopback(served.host) and not keyed, page=page_routes())
    facts = parts[0].facts()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(HttpServer(service, app, bound))
        for helper in (housekeeping(parts[0], parts[1]), delivering(parts[0], parts[1])):
            helper.start()
            stack.callback(helper.stop)
        click.echo(
            f"serving {facts.crops:,} crops in {facts.tracks:,} tracks of {len(facts.cameras)} cameras "
            f"at {server.address}/ ({'with keys' if keyed else 'no keys: this machine only'}); Ctrl-C ends it"
        )
        server.serve_forever()
