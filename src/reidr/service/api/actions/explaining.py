"""One pair of pictures explained: how near, how probable, and why."""

from __future__ import annotations

import numpy as np

from reidr.data.types import Crop
from reidr.fusion.profile_reranker import ProfileReranker
from reidr.reasoning.rationales.claim_check import check_claims
from reidr.reasoning.types import Pair
from reidr.search.document.document import verdict_entry
from reidr.search.reasons import doubt_of
from reidr.service.api.actions.converting import verdict_fields
from reidr.service.api.actions.crops import picture_of
from reidr.service.api.models.answers import ExplanationAnswer
from reidr.service.api.models.requests import PairQuestion, PairSide
from reidr.service.api.service import Asking
from reidr.service.finding.person import crop_of
from reidr.service.finding.site import site_of
from reidr.service.finding.thinking import regions_in
from reidr.service.http.errors import RequestError
from reidr.service.store.records import CropFilter, StoredCrop


def explained(ask: Asking, body: PairQuestion) -> ExplanationAnswer:
    """What retriever and reasoner make of a pair. Raises RequestError (404): no such crop, or no writer of reasons."""
    models = ask.service.models
    reasoner = models.reasoner
    first, second = side(ask, body.first, "first"), side(ask, body.second, "second")
    if reasoner is None or not reasoner.capabilities.think:
        raise RequestError("this service runs without a model that writes reasons", 404)
    rows = models.retriever.embed_pictures([first.open(), second.open()])
    distance = float(np.sqrt(max(0.0, 2.0 - 2.0 * float(rows[0] @ rows[1]))))
    pair = Pair(first, second, distance)
    score = reasoner.score([pair])
    profile = site_of(ask.records).profile(models)
    chance = None
    if profile is not None and profile.calibration is not None and np.isfinite(score[0]):
        chance = float(ProfileReranker(profile).calibrated(score)[0])
    (verdict,) = reasoner.think([pair])
    looks = check_claims(reasoner, [pair], [verdict])[0] if reasoner.capabilities.ask_about_crops else ()
    places = {"query": regions_in(models.retriever, first), "candidate": regions_in(models.retriever, second)}
    reliable = not doubt_of(first) and not doubt_of(second)
    ask.note("explain", body.why, {"crops": crops_named(body)}, {"answer": verdict.answer})
    return ExplanationAnswer(
        track=None,
        crop=body.second.crop,
        query=body.first.crop,
        regions={which: {name: list(box) for name, box in boxes.items()} for which, boxes in places.items() if boxes},
        distance=distance,
        likelihood=chance,
        **verdict_fields(verdict_entry(verdict, looks, reliable)),
    )


def side(ask: Asking, given: PairSide, name: str) -> Crop:
    """One picture of the pair. Raises RequestError."""
    if given.picture is not None:
        return Crop(name, picture_of(given.picture, f"{name}.picture", ask.service.limits)[1])
    return crop_of(stored(ask, given.crop or ""))


def stored(ask: Asking, name: str) -> StoredCrop:
    """A crop of the gallery. Raises RequestError (404)."""
    found = ask.store.crops(CropFilter(ids=frozenset({name})), limit=1)
    if not found:
        raise RequestError("the gallery has no such crop", 404)
    return found[0]


def crops_named(body: PairQuestion) -> list[str]:
    """The crops of the gallery that a question names."""
    return [one.crop for one in (body.first, body.second) if one.crop is not None]
