"""`reidr serve-model MODEL`."""

from __future__ import annotations

import click

from reidr.cli.command import Command


@click.command("serve-model", cls=Command)
@click.argument("model", default="nano")
@click.option("--port", type=click.IntRange(0, 65535), default=8077, help="0 takes a free one. [8077]")
@click.option("--host", default="127.0.0.1", help="Address to listen on. [127.0.0.1, this machine only]")
@click.option("--device", help="cpu, cuda or cuda:N. [the GPU where there is one]")
def command(model: str, port: int, host: str, device: str | None) -> None:
    """Serve a reasoner (preset, checkpoint folder or hub id) over an OpenAI-compatible API.

    Other programs reach it at http://HOST:PORT/v1, and `--reasoner http://HOST:PORT` of the other commands too.
    """
    from reidr.reasoning.reasoner import Reasoner
    from reidr.reasoning.serve import LOOPBACK, ModelServer

    if host not in LOOPBACK:
        click.echo(
            f"reidr: everyone who reaches {host}:{port} may ask; there is no password and no encryption", err=True
        )
    with ModelServer(Reasoner.load(model, device=device), host, port) as server:
        click.echo(f"serving {server.service.reasoner.name} at {server.address}/v1; Ctrl-C ends it")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("ended")
