"""What the routes work with: the gallery, the records, the models, and the queue before them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from reidr.errors import ReIDError
from reidr.service.api.admission import idempotency
from reidr.service.api.admission.callers import Caller
from reidr.service.api.admission.work import Lane, WorkQueue
from reidr.service.api.metrics import Metrics
from reidr.service.api.settings import ServiceLimits
from reidr.service.http.errors import RequestError
from reidr.service.records.records import RecordStore
from reidr.service.security import audit
from reidr.service.store.store import GalleryStore

if TYPE_CHECKING:
    from reidr.search.appearances.travel import TravelTime
    from reidr.service.finding.models import Models

Result = TypeVar("Result")
Made = TypeVar("Made", bound=BaseModel)
REPLAYED = "Idempotent-Replayed"


class SearchService:
    """One gallery, served. It does not own store and records: whoever opened them closes them."""

    def __init__(
        self,
        store: GalleryStore,
        records: RecordStore,
        models: Models,
        limits: ServiceLimits | None = None,
        *,
        travel_times: tuple[TravelTime, ...] = (),
    ) -> None:
        """`travel_times`: how long people take between this site's cameras."""
        self.store, self.records, self.models = store, records, models
        self.travel_times = travel_times
        self.limits = limits or ServiceLimits()
        self.metrics = Metrics()
        self.work = WorkQueue(self.limits, self.metrics)
        self.streams = 0
        """Streams of reasons that are open."""

    @property
    def stopping(self) -> bool:
        """Whether no more requests are taken."""
        return self.work.stopping

    def stop(self) -> None:
        """Take no more requests; what is under way goes on."""
        self.work.stop()

    def cancel(self) -> None:
        """End what is under way, too."""
        self.work.cancel()

    def close(self) -> None:
        """Wait for what the threads do, and give them back."""
        self.work.close()


@dataclass(frozen=True)
class Asking:
    """One request of a caller who may make it."""

    service: SearchService
    request: Request
    caller: Caller

    @property
    def store(self) -> GalleryStore:
        """The gallery."""
        return self.service.store

    @property
    def records(self) -> RecordStore:
        """The records."""
        return self.service.records

    async def read(self, kind: str, job: Callable[[], Result]) -> Result:
        """What `job` reads from the stores. Errors as `WorkQueue.run`, and what `job` raises."""
        return await self.service.work.run(self.request, "stores", kind, job)

    async def compute(self, kind: str, job: Callable[[], Result]) -> Result:
        """What `job` makes with the models, when it is its turn. Errors as `read`."""
        return await self.service.work.run(self.request, "models", kind, job)

    async def change(
        self, lane: Lane, kind: str, asked: str, job: Callable[[str | None], BaseModel], status: int = 200
    ) -> Response:
        """The answer of a job that changes something: done once for each Idempotency-Key.

        Args:
            asked: all that was asked, as text; the same key with something else is refused.
            job: gets the key by which the stores know the operation, None without one.
        """
        key = self.request.headers.get("idempotency-key", "")
        if len(key) > 200 or not key.isprintable():
            raise RequestError("an Idempotency-Key has at most 200 printable characters", 400)

        def done_once() -> Response:
            if not key:
                return JSONResponse(job(None).model_dump(mode="json"), status)
            scope = self.request.scope
            digest = idempotency.digest_of(scope["method"], scope["path"], asked)
            taken = idempotency.claim(self.records, self.caller.name, key, digest)
            if isinstance(taken, idempotency.Replay):
                return JSONResponse(taken.answer, taken.status, {REPLAYED: "true"})
            try:
                answer = job(taken.operation).model_dump(mode="json")
            except ReIDError:
                idempotency.abandon(self.records, taken)
                raise
            idempotency.finish(self.records, taken, status, answer)
            return JSONResponse(answer, status)

        return await self.service.work.run(self.request, lane, kind, done_once)

    def note(
        self,
        action: str,
        why: str | None,
        asked: dict[str, Any],
        answered: dict[str, Any],
        *,
        verified_by: str | None = None,
    ) -> None:
        """Write down who asked what and what came back. Blocking: for the threads of the queue."""
        version = self.store.facts().version
        entry = audit.Entry(self.caller.name, action, why or "", asked, answered, version, verified_by)
        audit.write(self.records, entry)
