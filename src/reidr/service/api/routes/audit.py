"""The audit log, for those who check what was asked and done."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from reidr.service.api.asking import ToAudit
from reidr.service.api.models.answers import AuditAnswer, AuditRow, VerificationAnswer
from reidr.service.api.problems import responses
from reidr.service.records.records import LogRow, RecordStore
from reidr.service.security import audit, verification


def audit_routes() -> APIRouter:
    """`/v1/audit` and `/v1/audit/verification`."""
    router = APIRouter(tags=["audit"])

    @router.get("/v1/audit", responses=responses())
    async def audited(
        ask: ToAudit,
        after: Annotated[int, Query(ge=0, lt=2**53, description="What the page before gave as `after`.")] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        newest_first: Annotated[bool, Query(description="From the newest row to the oldest one.")] = False,
    ) -> AuditAnswer:
        """The audit log, oldest first, or newest first; page by page."""
        read = newest_rows if newest_first else oldest_rows
        rows, last = await ask.read("audit", lambda: read(ask.records, after, limit))
        return AuditAnswer(rows=[AuditRow(number=row.number, entry=row.value) for row in rows], after=last)

    @router.get("/v1/audit/verification", responses=responses())
    async def verified(
        ask: ToAudit,
        head: Annotated[
            str | None,
            Query(pattern=f"^{verification.HEAD.pattern}$", description="A head that was kept elsewhere, number:hash."),
        ] = None,
    ) -> VerificationAnswer:
        """Whether no row of the audit log was changed or taken out since it was written."""
        found = await ask.read("audit", lambda: verification.verify(ask.records, kept_head=head))
        return VerificationAnswer(rows=found.rows, head=found.head, broken=found.broken, why=found.why)

    return router


def oldest_rows(records: RecordStore, after: int, limit: int) -> tuple[list[LogRow], int | None]:
    """Rows behind number `after`, and what to go on with."""
    rows = records.rows(audit.LOG, after=after, limit=limit)
    return rows, rows[-1].number if len(rows) == limit else None


def newest_rows(records: RecordStore, before: int, limit: int) -> tuple[list[LogRow], int | None]:
    """Rows before number `before` (0: from the newest on), the newest first, and what to go on with."""
    last = before - 1 if before else audit.last_number(records)
    first = max(last - limit, 0)
    rows = records.rows(audit.LOG, after=first, limit=limit)
    return [row for row in reversed(rows) if row.number <= last], first + 1 if first else None
