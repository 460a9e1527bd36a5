"""The audit log, for those who check what was asked and done."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from reidr.service.api.asking import ToAudit
from reidr.service.api.models.answers import AuditAnswer, AuditRow
from reidr.service.api.problems import responses
from reidr.service.security import audit


def audit_routes() -> APIRouter:
    """`/v1/audit`."""
    router = APIRouter(tags=["audit"])

    @router.get("/v1/audit", responses=responses())
    async def audited(
        ask: ToAudit,
        after: Annotated[int, Query(ge=0, lt=2**53, description="The number of the last row that is known.")] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> AuditAnswer:
        """The audit log, oldest first. `reidr audit verify` checks that no row was changed or taken out."""
        rows = await ask.read("audit", lambda: ask.records.rows(audit.LOG, after=after, limit=limit))
        last = rows[-1].number if len(rows) == limit else None
        return AuditAnswer(rows=[AuditRow(number=row.number, entry=row.value) for row in rows], after=last)

    return router
