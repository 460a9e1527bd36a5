"""The dependency of every route: the service, the request, and a caller who has the role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from reidr.service.api.callers import Caller, needs
from reidr.service.api.service import Asking


def asking(role: str) -> Any:
    """What a route takes as its `ask` parameter, for callers with this role."""

    def made(request: Request, caller: Annotated[Caller, Depends(needs(role))]) -> Asking:
        return Asking(request.app.state.service, request, caller)

    return Depends(made)


def once(
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            max_length=200,
            description="A text of your own. A request that is sent again with it is done once, and answered as before.",
        ),
    ] = None,
) -> None:
    """A dependency that names the header in the OpenAPI document; `Asking.change` reads it."""


