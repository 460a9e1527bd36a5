"""`reidr serve-model MODEL`."""

from __future__ import annotations

import os
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from reidr.cli.command import Command

if TYPE_CHECKING:
    from reidr.service.model_server.limits import Limits

KEY_VARIABLE = "REIDR_SERVE_KEY"
LIMITS = {
    "max_waiting": "waiting",
    "max_prompt_tokens": "prompt_tokens",
    "max_text": "text_characters",
    "max_request": "request_bytes",
    "max_memory": "memory_bytes",
    "grace": "grace_seconds",
}
"""Which option sets which limit."""


@click.command("serve-model", cls=Command)
@click.argument("model", default="nano")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8077, help="Port to listen on; 0 takes a free one. [8077]"
)
@click.option("--host", default="127.0.0.1", help="Address to listen on. [127.0.0.1: this machine only]")
@click.option("--device", help="cpu, cuda or cuda:N. [the GPU where there is one]")
@click.option(
    "--allow-open",
    is_flag=True,
    help=f"Listen beyond this machine although {KEY_VARIABLE} sets no key: anyone may ask.",
)
@click.option("--max-waiting", type=click.IntRange(1), help="Most requests under way at one time; more get 429. [32]")
@click.option("--max-prompt-tokens", type=click.IntRange(1), help="Most tokens of a prompt, pictures included. [4096]")
@click.option("--max-text", type=click.IntRange(1), help="Most characters of a whole conversation. [4000]")
@click.option("--max-request", type=click.IntRange(1), help="Most bytes of a request. [8000000]")
@click.option("--max-memory", type=click.IntRange(1), help="Most bytes of all requests held at one time. [64000000]")
@click.option(
    "--allow-picture-addresses",
    "addresses",
    metavar="PREFIX",
    multiple=True,
    help="Also take pictures by address: a folder (file:///FOLDER/x.jpg), or https://HOST/PATH/; may be repeated. "
    "[none]",
)
@click.option(
    "--grace", type=click.FloatRange(0, min_open=True), help="Seconds to finish what is under way when stopped. [8]"
)
def command(model: str, port: int, host: str, device: str | None, allow_open: bool, **given: Any) -> None:
    """Serve a reasoner (preset, checkpoint folder or hub id) over an OpenAI-compatible API.

    Other programs reach it at http://HOST:PORT/v1, and `--reasoner http://HOST:PORT` of the other commands too.
    It answers one request at a time; the others wait. Ctrl-C or SIGTERM stops it: requests under way are finished
    first, new ones are refused, and the exit code is 0. A second Ctrl-C, a second later, stops it at once.

    REIDR_SERVE_KEY in the environment sets a key. Callers of /v1 must then send `Authorization: Bearer KEY`, as the
    other commands do with the key in REIDR_API_KEY. Traffic is not encrypted: put a proxy with TLS in front where it
    leaves this machine.
    """
    from reidr.service.http.signals import ended_by
    from reidr.service.model_server.answering.addresses import allowed
    from reidr.service.model_server.limits import Limits

    bounds: Any = {limit: given[name] for name, limit in LIMITS.items() if given[name] is not None}
    bounds["addresses"] = allowed(given["addresses"])

    told: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        """Before the server runs nothing is under way, so nothing is lost. A second signal changes nothing."""
        told.append(number)
        if len(told) == 1:
            raise SystemExit(0)

    # Before anything slow is imported: process 1 of a container ignores a SIGTERM that nobody handles.
    with ended_by(end):
        try:
            serve(model, device, (host, port), allow_open, Limits(**bounds), told)
        except Exception:  # an import that a signal has cut off ends in any of them
            if not told:
                raise
    click.echo("ended")


def serve(
    model: str, device: str | None, address: tuple[str, int], allow_open: bool, limits: Limits, told: list[int]
) -> None:
    """Check the arguments, load the model, serve until told to stop; `told`: the signals that have come.

    Raises ReIDError.
    """
    from reidr.errors import MissingExtraError, ReIDError
    from reidr.reasoning.models.checkpoint import find_checkpoint

    host, port = address
    key = read_key()
    find_checkpoint(model)  # before torch is imported
    try:
        from reidr.service.http.guard import LOOPBACK
        from reidr.service.http.server import bind
        from reidr.service.model_server.server import ModelServer
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in ("fastapi", "starlette", "uvicorn", "h11"):
            raise
        raise MissingExtraError(
            f"the model server needs {error.name}; install with: pip install 'reidr[service]'"
        ) from None
    if host not in LOOPBACK and key is None:
        if not allow_open:
            raise ReIDError(
                f"anyone who reaches {host}:{port} could ask; set a key in {KEY_VARIABLE}, or say --allow-open"
            )
        click.echo(f"reidr: anyone who reaches {host}:{port} may ask; there is no key and no encryption", err=True)
    from reidr.reasoning.backends.reference import Reasoner

    with bind(host, port) as bound:
        reasoner = Reasoner.load(model, device=device)
        if told:  # Python swallows some exceptions, in callbacks
            return
        with ModelServer(reasoner, host, port, limits=limits, key=key, bound=bound) as server:
            click.echo(f"serving {reasoner.name} at {server.address}/v1; Ctrl-C ends it")
            server.serve_forever()


def read_key() -> str | None:
    """The key that callers must send; None where none is set. Raises ReIDError for one that no header can carry."""
    from reidr.errors import ReIDError

    key = os.environ.get(KEY_VARIABLE)
    if key is None:
        return None
    if not key or not (key.isascii() and key.isprintable()) or " " in key:
        raise ReIDError(f"the key in {KEY_VARIABLE} must be at least one printable ASCII character, without spaces")
    return key
