"""The dependency of every route: the service, the request, and a caller who has the role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Header, Request

from reidr.service.api.callers import Caller, needs
from reidr.service.api.service import Asking


def asking(role: str) -> Callable[..., Asking]:
    """A dependency: what a route works with, for callers with this role."""

    def made(request: Request, caller: Annotated[Caller, Depends(needs(role))]) -> Asking:
        return Asking(request.app.state.service, request, caller)

    return made


ToSearch = Annotated[Asking, Depends(asking("search"))]
ToEnrol = Annotated[Asking, Depends(asking("enrol"))]
ToDecide = Annotated[Asking, Depends(asking("decide"))]
ToErase = Annotated[Asking, Depends(asking("erase"))]
ToAudit = Annotated[Asking, Depends(asking("audit"))]


def once(
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            max_length=200,
            description="A text of your own. A request that is sent again with it is done once and answered as before.",
        ),
    ] = None,
) -> None:
    """A dependency that names the header in the OpenAPI document; `Asking.change` reads it."""
