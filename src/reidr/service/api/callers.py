"""Who asks, and what they may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from reidr.service.http.errors import RequestError

ROLES = ("search", "enrol", "decide", "erase", "audit")


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

bearer = HTTPBearer(auto_error=False, scheme_name="key", description="A key of `reidr keys add`.")


def caller_of(request: Request) -> Caller:
    """The caller whom the gate has found."""
    found: Any = request.scope["state"]["caller"]
    caller: Caller = found
    return caller


def needs(role: str) -> Callable[..., Caller]:
    """A dependency: the caller, who must have a role."""

    def allowed(request: Request, _: Annotated[Any, Depends(bearer)] = None) -> Caller:
        caller = caller_of(request)
        if role not in caller.roles:
            raise RequestError(f"this key may not do that: it lacks the role {role}", 403)
        return caller

    return allowed
