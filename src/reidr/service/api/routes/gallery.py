"""What the gallery is, and how words are understood."""

from __future__ import annotations

from fastapi import APIRouter

from reidr.search.presence import Presence
from reidr.search.words.parse import parse_description
from reidr.service.api.asking import ToKnow, ToSearch
from reidr.service.api.models.answers import CallerAnswer, DescriptionAnswer, GalleryAnswer, TermAnswer
from reidr.service.api.models.requests import DescriptionText
from reidr.service.api.problems import responses
from reidr.service.api.service import Asking
from reidr.service.finding.models import Models
from reidr.service.finding.site import site_of


def gallery_routes() -> APIRouter:
    """`/v1/caller`, `/v1/gallery` and `/v1/descriptions`."""
    router = APIRouter(tags=["gallery"])

    @router.get("/v1/caller", responses=responses())
    async def caller(ask: ToKnow) -> CallerAnswer:
        """Who is calling, and what they may do. Every key that is known may ask this."""
        return CallerAnswer(caller=ask.caller.name, roles=sorted(ask.caller.roles))

    @router.get("/v1/gallery", responses=responses())
    async def gallery(ask: ToSearch) -> GalleryAnswer:
        """What the gallery holds, which models search it, and what the caller may do."""
        return await ask.read("gallery", lambda: gallery_answer(ask))

    @router.post("/v1/descriptions", responses=responses(408, 411, 413, 415))
    async def descriptions(body: DescriptionText, ask: ToSearch) -> DescriptionAnswer:
        """How a description is understood, without a search."""
        return description_answer(body.words)

    return router


def gallery_answer(ask: Asking) -> GalleryAnswer:
    """What is told of the gallery and to this caller."""
    facts, models = ask.store.facts(), ask.service.models
    return GalleryAnswer(
        name=facts.address.rstrip("/").rpartition("/")[2],
        store=facts.kind,
        cameras=sorted(facts.cameras),
        start=facts.start,
        end=facts.end,
        crops=facts.crops,
        tracks=facts.tracks,
        version=facts.version,
        retriever=models.retriever.name,
        reasoner=None if models.reasoner is None else models.reasoner.name,
        words=facts.attribute_model is not None,
        threshold=site_of(ask.records).thresholds(models, compared_by(models), facts.crops).sentence,
        caller=ask.caller.name,
        roles=sorted(ask.caller.roles),
    )


def compared_by(models: Models) -> Presence:
    """The score by which these models tell whether somebody is there, of no search yet."""
    rule = None if models.profile is None else models.profile.open_set
    return Presence("unknown", "", "distance" if rule is None else rule.score)


def description_answer(words: str) -> DescriptionAnswer:
    """What is understood of a description."""
    query = parse_description(words)
    return DescriptionAnswer(
        terms=[TermAnswer(text=str(term), families=list(term.families)) for term in query.terms],
        corrected={word.text: other for word, other in query.corrected},
        unmapped=[word.text for word in query.unmapped],
        not_used=[word.text for word in query.not_used],
    )
