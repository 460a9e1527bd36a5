"""Credit for single claims of a rationale: a claim check of the starting model says which of them to keep saying.

A reward of a whole completion cannot say which of its claims was wrong. The truth reward, which is one, made drawn
people's claims truer and photos' not (docs/results.md, "What do the words say?"). Here each claim's own tokens get more
or less advantage. Who judges is the model that the training starts from, asked about one crop alone
(`evaluation.claim_check`): no label of a claim is needed, and the judge does not move with what it judges. The idea of
rewarding steps and not outcomes is that of process supervision (Lightman et al. 2023, arXiv 2305.20050). What came of
it was no gain yet, so it is off by default (research/lab.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor

from reidr.data.types import Crop
from reidr.reasoning.inference.sampling import Completion
from reidr.reasoning.prompting.grammar import try_parse
from reidr.reasoning.prompting.prompt import DESCRIBE
from reidr.reasoning.rationales.claim_check import CheckOutcome, CropQuestions, check_claims_of
from reidr.reasoning.rationales.claims import END_OF_SENTENCE, parse_claims
from reidr.reasoning.rationales.cues import REGION, named_region
from reidr.reasoning.types import Agreement, Pair, Progress

Ended = CheckOutcome | Literal["unclear"]
"""How a sentence ended in the claim check; "unclear": it is about a region and states nothing that could be asked."""

WORTH: Mapping[Ended, float] = MappingProxyType(
    {
        "consistent": 1.0,
        "not visible": -1.0,
        "inconsistent": -1.0,
        "self-contradictory": -1.0,
        # Worth no more than what is wrong: otherwise it pays to say it so that nobody can ask (research/lab.md).
        "unclear": -1.0,
    }
)
TOGETHER = 128  # short questions asked in one batch


@dataclass(frozen=True)
class ClaimMark:
    """How a sentence about a region ended in its completion, of which it is the characters `start` to `end`.

    `said`: that the region agrees, differs or cannot be seen; None where the sentence says none of it.
    """

    start: int
    end: int
    region: str
    said: Agreement | None
    ended: Ended

    @property
    def worth(self) -> float:
        """1 for what is consistent, else -1."""
        return WORTH[self.ended]


@dataclass
class Remembering:
    """A model that is asked each question about each crop once; crops are told apart by their ids."""

    model: CropQuestions
    known: dict[tuple[str, str], str] = field(default_factory=dict)

    def ask_about_crops(
        self,
        crops: Sequence[Crop],
        texts: str | Sequence[str] = DESCRIBE,
        *,
        max_new_tokens: int = 120,
        batch_size: int = 64,
        progress: Progress | None = None,
    ) -> list[str]:
        """As `Reasoner.ask_about_crops`, in batches of at least `TOGETHER`; `max_new_tokens` must be the same in all calls."""
        questions = [texts] * len(crops) if isinstance(texts, str) else list(texts)
        keys = [(crop.id, text) for crop, text in zip(crops, questions, strict=True)]
        new = {key: crop for key, crop in zip(keys, crops, strict=True) if key not in self.known}
        if new:
            told = self.model.ask_about_crops(
                list(new.values()),
                [text for _, text in new],
                max_new_tokens=max_new_tokens,
                batch_size=max(batch_size, TOGETHER),
                progress=progress,
            )
            self.known |= zip(new, told, strict=True)
        return [self.known[key] for key in keys]


def mark_claims(model: CropQuestions, pairs: Sequence[Pair], completions: Sequence[str]) -> list[tuple[ClaimMark, ...]]:
    """How the sentences about regions ended in each completion about its pair; none of an unparsable completion."""
    reasonings = [None if (parsed := try_parse(text)) is None else parsed.reasoning for text in completions]
    looks = check_claims_of(model, pairs, reasonings)
    marks: list[tuple[ClaimMark, ...]] = []
    for text, reasoning, own in zip(completions, reasonings, looks, strict=True):
        found, left, place = list[ClaimMark](), list(own), 0
        for part in [] if reasoning is None else END_OF_SENTENCE.split(reasoning):
            sentence = part.strip()
            # A reasoning's claims are those of its sentences, in their order.
            looked = [left.pop(0) for _ in parse_claims(sentence)]
            place = text.index(sentence, place)
            named = REGION.search(sentence)
            region = looked[0].claim.region if looked else None if named is None else named_region(named)
            if region is not None:
                ended = {each.ended or "unclear" for each in looked} or {"unclear"}
                # A sentence of several claims is no better than the worst of them.
                worst = min(sorted(ended), key=lambda each: WORTH[each])
                said = looked[0].claim.agreement if looked else None
                found.append(ClaimMark(place, place + len(sentence), region, said, worst))
            place += len(sentence)
        marks.append(tuple(found))
    return marks


def credits_of(marks: Sequence[Sequence[ClaimMark]]) -> list[list[float]]:
    """The credit of each mark, in [-2, 2]: its worth less the mean of the batch's that say the like of that region.

    So it never pays to speak of regions that are easy, nor to say "agrees", which states one value, instead of
    "differs", which states two, nor to speak more or less: among marks of one region and judgement credits sum to 0.
    """
    worths: dict[tuple[str, Agreement | None], list[float]] = {}
    for own in marks:
        for mark in own:
            worths.setdefault((mark.region, mark.said), []).append(mark.worth)
    means = {kind: sum(values) / len(values) for kind, values in worths.items()}
    return [[mark.worth - means[mark.region, mark.said] for mark in own] for own in marks]


def token_credits(
    tokenizer: Any, completions: Sequence[Completion], marks: Sequence[Sequence[ClaimMark]], length: int
) -> Tensor:
    """(completions, `length`): the credit of the claims in whose sentence a token has a character, 0 elsewhere."""
    credit = torch.zeros(len(completions), length)
    for row, (completion, own, values) in enumerate(zip(completions, marks, credits_of(marks), strict=True)):
        if not own:
            continue
        ids = completion.ids[:length]
        # What the first n tokens spell; a token by itself may be half of a character.
        prefixes = tokenizer.batch_decode(
            [ids[: place + 1] for place in range(len(ids))],
            skip_special_tokens=False,
            clean_up_tokenization_spaces=False,
        )
        ends = torch.tensor([len(text) for text in prefixes])
        starts = torch.cat([ends.new_zeros(1), ends[:-1]])
        # A token that only completes a character belongs to it.
        starts = torch.minimum(starts, ends - 1)
        for mark, value in zip(own, values, strict=True):
            credit[row, : len(ids)] += value * ((starts < mark.end) & (ends > mark.start)).float()
    return credit


def share_consistent(marks: Sequence[Sequence[ClaimMark]]) -> float:
    """Share of all marks that are consistent; NaN where there is none."""
    ended = [mark.ended == "consistent" for own in marks for mark in own]
    return sum(ended) / len(ended) if ended else float("nan")
