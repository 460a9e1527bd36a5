"""What goes into the reasoner, a `Pair` of crops, and what comes out, a `Verdict` with its reasons."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

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
        probability: P(same) in [0, 1], from the yes and no logits where the completion gives its answer;
            0.5 where the completion could not be parsed.
        reasoning: the text between the think tags; the whole completion where it could not be parsed.
        cues: the comparisons found in the reasoning, in its order.
        tokens: generated tokens, the end token included.
        seconds: the batch's wall time divided by its pairs.
        model: name and weights hash of what made it. prompt: version of the prompt.
        key: hash of weights, prompt, settings and pixels: equal keys mean the same question to the same model.
        parsable: False where the completion broke the grammar; such a verdict is "insufficient", carries no evidence,
            and should be counted.
    """

    answer: Answer
    probability: float
    reasoning: str
    cues: tuple[Cue, ...]
    tokens: int
    seconds: float
    model: str
    prompt: str
    key: str
    parsable: bool = True

    def __post_init__(self) -> None:
        if self.answer not in get_args(Answer):
            raise ReIDError(f"verdict: answer must be one of {', '.join(get_args(Answer))}, not {self.answer!r}")
        if not 0.0 <= self.probability <= 1.0:
            raise ReIDError(f"verdict: probability must lie in [0, 1], not {self.probability!r}")
        if self.tokens < 0 or not (math.isfinite(self.seconds) and self.seconds >= 0):
            raise ReIDError(f"verdict: tokens {self.tokens!r} and seconds {self.seconds!r} must be at least 0")
        if not self.key:
            raise ReIDError("verdict: the cache key is empty")
        if not self.parsable and (self.answer != "insufficient" or self.cues):
            raise ReIDError('verdict: an unparsable completion has the answer "insufficient" and no cues')

    @property
    def evidence(self) -> float:
        """`probability`, or NaN where the completion was unparsable: what `fuse` takes."""
        return self.probability if self.parsable else math.nan


@runtime_checkable
class Glancing(Protocol):
    """A back end whose eyes tell something of a pair by themselves, at the price of seeing each crop once."""

    def glance(
        self, pairs: Sequence[Pair], *, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64] | None:
        """(N, 3) cosines of the eyes' own embeddings: whole bodies, upper parts, lower parts. None: they have none."""
        ...
