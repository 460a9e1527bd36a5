"""Addresses of servers: what may be one, whether it is this machine, and where below it the API may lie."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from urllib import parse

from reidr.errors import ReIDError

KEY_VARIABLE = "REIDR_API_KEY"
CHAT = "/chat/completions"
EMBEDDINGS = "/embeddings"
RERANKING = ("/rerank", "/score")


def check_address(url: str) -> tuple[str, str, bool]:
    """(host and port, address without a trailing slash, whether it is this machine). Raises ReIDError."""
    try:
        parts = parse.urlsplit(url.strip())
        host = parts.hostname
        named = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
    except ValueError:
        parts, host, named = parse.urlsplit(""), None, ""
    if parts.scheme not in ("http", "https") or not host or not host.isprintable() or " " in host:
        raise ReIDError("the address of a server reads http://host:port or https://host")
    if parts.username is not None or parts.password is not None:
        raise ReIDError(f"{named}: no password or key belongs into an address; put it into {KEY_VARIABLE}")
    if parts.query:
        raise ReIDError(f"{named}: no query (?…) belongs into an address: leave it out; a key goes into {KEY_VARIABLE}")
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/")
    for ending in (CHAT, "/models", *RERANKING):
        path = path.removesuffix(ending)
    while path.endswith("/v1/v1"):
        path = path.removesuffix("/v1")
    return parts.netloc, f"{parts.scheme}://{parts.netloc}{path}", is_local(host)


def is_local(host: str) -> bool:
    """Whether a host is this machine, however it is written: `127.1`, `0.0.0.0`, `::ffff:127.0.0.1`, `localhost.`."""
    name = host.lower().removesuffix(".")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        try:
            address = ipaddress.ip_address(socket.inet_aton(name))
        except (OSError, ValueError):
            return name == "localhost" or name.endswith(".localhost")
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def bases_of(address: str) -> Sequence[str]:
    """Where the API of an address may lie, the likeliest first."""
    if address.endswith("/v1"):
        return (address,)
    bare = parse.urlsplit(address).path == ""
    return (f"{address}/v1", address) if bare else (address, f"{address}/v1")


def reranking_of(url: str) -> str | None:
    """The path of `RERANKING` that an address ends in, `http://host:8000/v1/rerank#model`; None where it does not."""
    address = url.partition("#")[0].rstrip("/")
    return next((path for path in RERANKING if address.endswith(path)), None)
