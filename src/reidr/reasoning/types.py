"""What goes into the reasoner, a `Pair` of crops, and what comes out, a `Verdict` with its reasons."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from reidr.core.text import number_of
from reidr.data.types import Crop
from reidr.errors import ReIDError

Answer = Literal["same", "different", "insufficient"]
Region = Literal["hair", "headwear", "upper clothing", "sleeves", "lower clothing", "shoes", "bag", "build"]
Agreement = Literal["agree", "differ", "unseen"]
REGIONS: tuple[str, ...] = get_args(Region)

Progress = Callable[[int, int], None]
"""Called after each batch with (pairs done, pairs in all)."""


@dataclass(frozen=True)
class Pair:
    """Two crops to be compared.

    Attributes:
        query, candidate: the crops; the query is shown as person A.
        distance: what the retriever says, or None where no retriever was asked.
        label: True for the same person, False for two persons, None where unknown.
        others: (distance, label) of the query's other first candidates, nearest first, where a mined pair kept them.
    """

    query: Crop
    candidate: Crop
    distance: float | None = None
    label: bool | None = None
    others: tuple[tuple[float, bool], ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        where = f"pair {self.query.id} / {self.candidate.id}"
        if self.distance is not None and not (math.isfinite(self.distance) and self.distance >= 0):
            raise ReIDError(f"{where}: the distance must be a finite number of at least 0, not {self.distance!r}")
        if self.label is not None and not isinstance(self.label, bool):
            raise ReIDError(f"{where}: the label must be True, False or None, not {self.label!r}")

    def swapped(self) -> Pair:
        """The same pair in the other order."""
        return Pair(self.candidate, self.query, self.distance, self.label, self.others)


@dataclass(frozen=True)
class Cue:
    """One body region that a reasoning names, and whether it says the two persons agree there."""

    region: Region
    agreement: Agreement

    def __post_init__(self) -> None:
        if self.region not in REGIONS:
            raise ReIDError(f"cue: unknown body region {self.region!r}; known: {', '.join(REGIONS)}")
        if self.agreement not in get_args(Agreement):
            raise ReIDError(f"cue {self.region}: agreement must be agree, differ or unseen, not {self.agreement!r}")


@dataclass(frozen=True)
class Verdict:
    """What the reasoner says of one pair after thinking.

    Attributes:
        answer: the answer word of the completion.
        probability: P(same) in [0, 1], from the yes and no logits where the completion gives its answer. None: no
            score, because there is no evidence for one (`problem` says why). It is never 0.5 for want of an answer:
            what is given for an unparsable completion is dropped.
        reasoning: the text between the think tags; the whole completion where it could not be parsed.
        cues: the comparisons found in the reasoning, in its order.
        tokens: generated tokens, the end token included.
        seconds: the batch's wall time divided by its pairs.
        model: name and weights hash of what made it. prompt: version of the prompt.
        key: hash of weights, prompt, settings and pixels: equal keys mean the same question to the same model.
        parsable: False where no answer could be read from the completion, or there is none (a refused request); such a
            verdict is "insufficient", carries no evidence, and should be counted.
        sampled: `probability` is a share of answers that were drawn, not read from the model's probabilities.
        bounded: `probability` is the least or greatest that fits the written word's own, all that the server lists.
        words: P(same) in [0, 1] that the same model reads from `reasoning` alone, with the pictures taken away; None
            where it was not asked for it.
        problem: one line that says why there is no answer or no score; empty where there is both.
    """

    answer: Answer
    probability: float | None
    reasoning: str
    cues: tuple[Cue, ...]
    tokens: int
    seconds: float
    model: str
    prompt: str
    key: str
    parsable: bool = True
    sampled: bool = False
    problem: str = ""
    bounded: bool = False
    words: float | None = None

    def __post_init__(self) -> None:
        if self.answer not in get_args(Answer):
            raise ReIDError(f"verdict: answer must be one of {', '.join(get_args(Answer))}, not {self.answer!r}")
        if self.probability is not None and not 0.0 <= self.probability <= 1.0:
            raise ReIDError(f"verdict: probability must lie in [0, 1] or be None, not {self.probability!r}")
        if self.words is not None and not 0.0 <= self.words <= 1.0:
            raise ReIDError(f"verdict: what the words alone say must lie in [0, 1] or be None, not {self.words!r}")
        if self.tokens < 0 or not (math.isfinite(self.seconds) and self.seconds >= 0):
            raise ReIDError(f"verdict: tokens {self.tokens!r} and seconds {self.seconds!r} must be at least 0")
        if not self.key:
            raise ReIDError("verdict: the cache key is empty")
        if not self.parsable:
            if self.answer != "insufficient" or self.cues:
                raise ReIDError('verdict: an unparsable completion has the answer "insufficient" and no cues')
            # Older callers say 0.5 here, which a reader would take for a score.
            object.__setattr__(self, "probability", None)
        if (self.sampled or self.bounded) and self.probability is None:
            raise ReIDError("verdict: a verdict without a probability cannot be a sampled one, or a bounded one")

    @property
    def evidence(self) -> float:
        """`probability`, or NaN where there is none: what `fuse` takes."""
        return math.nan if self.probability is None else self.probability


@dataclass(frozen=True)
class RequestCounts:
    """What a back end was asked, and what came of it. A *result* is one pair's score, or one pair's verdict.

    Attributes:
        requests: requests that were sent to a server, those sent again after trouble included; 0 for a model in this
            process. What the verdict cache knew costs none.
        retried: how many of `requests` were sent again because the one before them failed.
        sampled: results whose P(same) was estimated from drawn answers.
        without_score: results without P(same): NaN of `score`, None of a verdict.
        unreadable: those of `without_score` where the model answered, but in no form that could be read.
        refused: those of `without_score` where the server refused a request.
        reasons: how often each reason for having no score was given.
        bounded: results whose P(same) is the least or greatest that fits the written word's own probability, since the
            server lists no other.
    """

    requests: int = 0
    retried: int = 0
    sampled: int = 0
    without_score: int = 0
    unreadable: int = 0
    refused: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    bounded: int = 0

    @classmethod
    def of(cls, verdict: Verdict, *, refused: bool = False) -> RequestCounts:
        """What one verdict adds."""
        if verdict.probability is not None:
            return cls(sampled=int(verdict.sampled), bounded=int(verdict.bounded))
        unreadable = not verdict.parsable and not refused
        reasons = {verdict.problem: 1} if verdict.problem else {}
        return cls(without_score=1, unreadable=int(unreadable), refused=int(refused), reasons=reasons)

    def __add__(self, other: RequestCounts) -> RequestCounts:
        return self._combined(other, 1)

    def __sub__(self, other: RequestCounts) -> RequestCounts:
        """What came since `other`, an earlier state of the same back end."""
        return self._combined(other, -1)

    def _combined(self, other: RequestCounts, sign: int) -> RequestCounts:
        numbers = {name: getattr(self, name) + sign * getattr(other, name) for name in COUNTED}
        reasons = Counter(self.reasons)
        for reason, number in other.reasons.items():
            # Servers that put a number of the request into every message would fill a page.
            known = sign < 0 or reason in reasons or len(reasons) < MOST_REASONS
            reasons[reason if known else OTHER_REASONS] += sign * number
        return RequestCounts(**numbers, reasons={reason: number for reason, number in reasons.items() if number > 0})

    def stored(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def sentences(self) -> tuple[str, ...]:
        """What a reader must be told, in whole sentences, the same on terminal and page; none where all went well."""
        told = []
        if self.sampled:
            told.append(
                f"{number_of(self.sampled, 'P(same) is', 'values of P(same) are')} estimated from drawn answers (marked"
                ' "sampled"): the server gives no usable log-probabilities.'
            )
        if self.bounded:
            told.append(
                f"{number_of(self.bounded, 'P(same) is a bound', 'values of P(same) are bounds')}: the server lists the"
                " written word's probability alone."
            )
        if self.without_score:
            often = sorted(self.reasons.items(), key=lambda item: -item[1])
            why = "; ".join(f"{number} times: {reason}" if number > 1 else reason for reason, number in often[:3])
            more = f"; and {len(often) - 3} other reasons" if len(often) > 3 else ""
            because = f" ({why}{more})" if why else ""
            told.append(f"{number_of(self.without_score, 'result has', 'results have')} no score{because}.")
        return tuple(told)


MOST_REASONS = 20  # that are told apart
OTHER_REASONS = "other reasons"
COUNTED = ("requests", "retried", "sampled", "without_score", "unreadable", "refused", "bounded")
