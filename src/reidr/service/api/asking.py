"""The dependency of every route: the service, the request, and a caller who has the role."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.security import HTTPBearer

from reidr.service.api.admission.callers import Caller
from reidr.service.api.service import Asking
from reidr.service.http.errors import RequestError

bearer = HTTPBearer(auto_error=False, scheme_name="key", description="A key of `reidr keys add`.")


class Needs:
    """A dependency: what a route works with, for callers who have a role; None: for all whose key is known."""

    def __init__(self, role: str | None) -> None:
        self.role = role

    def __call__(self, request: Request, _: Annotated[Any, Depends(bearer)] = None) -> Asking:
        """Raises RequestError (403) for a caller without the role. Who calls, the gate has found before."""
        caller: Caller = request.scope["state"]["caller"]
        if self.role is not None and self.role not in caller.roles:
            raise RequestError(f"this key may not do that: it lacks the role {self.role}", 403)
        return Asking(request.app.state.service, request, caller)


ToKnow = Annotated[Asking, Depends(Needs(None))]
ToSearch = Annotated[Asking, Depends(Needs("search"))]
ToEnrol = Annotated[Asking, Depends(Needs("enrol"))]
ToDecide = Annotated[Asking, Depends(Needs("decide"))]
ToErase = Annotated[Asking, Depends(Needs("erase"))]
ToAudit = Annotated[Asking, Depends(Needs("audit"))]


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
