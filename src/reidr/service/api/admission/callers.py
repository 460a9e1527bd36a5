"""Who asks, and what they may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reidr.service.security.keys import ROLES


@dataclass(frozen=True)
class Caller:
    """Whoever sent a request. keyed: known by a key; else everybody on this machine is one caller."""

    name: str
    roles: frozenset[str]
    keyed: bool = True


LOCAL = Caller("this machine", frozenset(ROLES), keyed=False)
"""Who asks a service without keys, which only this machine can reach."""

Identify = Callable[[str], Caller | None]
"""A key's text → its caller, or None where there is no such key. Blocking."""
