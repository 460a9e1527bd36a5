"""Which matches the reasoner thinks about, and what it says of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reidr.data.types import Crop
from reidr.errors import ImageError
from reidr.evaluation.experiment.candidate_scoring import share_of_steps, steps_of
from reidr.reasoning.rationales.claim_check import CheckedClaim, check_claims
from reidr.reasoning.types import Pair, Verdict
from reidr.search.order import Order
from reidr.search.query.plausibility import why_no_person
from reidr.search.task import Progress, Task

if TYPE_CHECKING:
    from reidr.reasoning.backends.local import Backend


def reasons(
    task: Task,
    pairs: Sequence[Pair],
    doubts: Sequence[str],
    order: Order,
    reasoner: tuple[Backend | None, Sequence[Verdict | None]],
    show: Progress,
) -> tuple[list[Verdict | None], list[tuple[CheckedClaim, ...]]]:
    """The verdict of each pair and the claim check at it, where it was thought about.

    Left to itself a search gives no reasons where query or candidate can hardly show a person: there is nothing to see,
    and words would be found all the same.

    Args:
        reasoner: the model, and for each pair the words that it wrote already for the sake of its score.
    """
    model, said = reasoner
    verdicts: list[Verdict | None] = [None] * len(pairs)
    looks: list[tuple[CheckedClaim, ...]] = [()] * len(pairs)
    if task.options.think is None:
        chosen = [i for i in order.places if not doubts[i] and not task.query.doubtful]
    else:
        chosen = list(order.places[: task.options.think])
    if model is None or not model.capabilities.think or not chosen:
        return verdicts, looks
    silent = [i for i in chosen if said[i] is None]
    if silent:
        with show("thinking about pairs", len(silent)) as advance:
            new = model.think([pairs[i] for i in silent], progress=steps_of(advance))
        for i, fresh in zip(silent, new, strict=True):
            verdicts[i] = fresh
    for i in chosen:
        verdicts[i] = verdicts[i] if said[i] is None else said[i]
    some, thoughts = [pairs[i] for i in chosen], [each for i in chosen if (each := verdicts[i]) is not None]
    if task.options.claim_check and model.capabilities.ask_about_crops:
        with show("looking at each crop again", len(chosen)) as advance:
            seen = check_claims(model, some, thoughts, share_of_steps(advance, len(chosen)))
        for i, own in zip(chosen, seen, strict=True):
            looks[i] = own
    return verdicts, looks


def doubt_of(crop: Crop) -> str:
    """Why a candidate can hardly show a person; empty where nothing speaks against it."""
    try:
        return why_no_person(crop.open())
    except ImageError:  # gone or changed since it was embedded: the reasoner will say so
        return ""
