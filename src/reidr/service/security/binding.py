"""Where a service may listen: on this machine alone, unless there are keys."""

from __future__ import annotations

import ipaddress

from reidr.errors import ReIDError


def check_binding(host: str, *, has_keys: bool, tls: bool = False) -> list[str]:
    """What the operator must know of listening at `host`; nothing to say where only this machine can reach it.

    Args:
        has_keys: whether a good key exists (`keys.has_keys`). tls: whether the service itself speaks HTTPS.

    Raises:
        ReIDError: others could reach it, and there are no keys.
    """
    if is_loopback(host):
        return []
    if not has_keys:
        raise ReIDError(
            f"--host {host} lets other machines in, but there are no keys, so anybody could search: make one first "
            "(`reidr keys add GALLERY --holder NAME --role search`), or listen on 127.0.0.1. Put TLS in front as well, "
            "since a key is sent with every request: a reverse proxy such as Caddy (`caddy reverse-proxy --from "
            "example.org --to 127.0.0.1:PORT`) or nginx, with the service on 127.0.0.1 behind it"
        )
    if tls:
        return []
    return [
        f"keys and pictures travel to {host} unencrypted: put TLS in front (a reverse proxy such as Caddy or nginx, "
        "with the service on 127.0.0.1 behind it), unless this network is private already"
    ]


def is_loopback(host: str) -> bool:
    """Whether a name or address can be reached from this machine alone. Of names only localhost surely is."""
    name = host.strip().strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.split("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool(mapped.is_loopback if mapped is not None else address.is_loopback)
