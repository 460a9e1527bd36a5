"""What every verifier of pairs offers, wherever its model runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from reidr.data.types import Crop
from reidr.reasoning.backends.card import Card
from reidr.reasoning.types import Pair, Progress, RequestCounts, Verdict

if TYPE_CHECKING:
    from reidr.reasoning.inference.generation_settings import Thinking


@dataclass(frozen=True)
class Capabilities:
    """What a back end can do; a caller asks for one of these before it calls the method of that name.

    Attributes:
        direct_score: `score` gives P(same person) without generating a rationale.
        think: `think` generates a rationale and an answer.
        ask_about_crops: `ask_about_crops` answers a question about one crop alone.
        score_words: `score_words` reads P(same person) from a rationale without pictures.
        vision_similarity: `vision_similarity` gives cosines from the vision encoder without the language model.
        token_probabilities: scores come from the probabilities of the answer tokens, not only from sampled answers.
        rerank: the back end is a reranking server, which only orders candidates by one score.
    """

    direct_score: bool = True
    think: bool = True
    ask_about_crops: bool = False
    score_words: bool = False
    vision_similarity: bool = False
    token_probabilities: bool = True
    rerank: bool = False


class Backend(Protocol):
    """A verifier of pairs: `Reasoner`, `Engine`, `RemoteReasoner`, or one from outside the package.

    A class may inherit from this protocol: the methods that its `capabilities` do not name then need no definition. It
    defines `name`, `capabilities`, `card` and `counts` as class attributes or properties.
    """

    @property
    def name(self) -> str:
        """The name that reports show."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this back end can do."""
        ...

    @property
    def card(self) -> Card:
        """How its weights are to be used, and what they were trained on."""
        ...

    @property
    def counts(self) -> RequestCounts:
        """How many requests it has answered, and how many without a score."""
        ...

    def score(
        self, pairs: Sequence[Pair], *, both_orders: bool = True, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64]:
        """P(same person) without thinking, (N,); NaN for a pair without a score."""
        ...

    def answer_logits(
        self, pairs: Sequence[Pair], *, both_orders: bool = True, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64]:
        """Logits of yes, no and insufficient without thinking, (orders, N, 3), each row up to an additive constant."""
        ...

    def think(
        self,
        pairs: Sequence[Pair],
        settings: Thinking | None = None,
        *,
        batch_size: int = 32,
        progress: Progress | None = None,
    ) -> list[Verdict]:
        """One verdict for each pair, by generation."""
        ...

    def ask_about_crops(
        self,
        crops: Sequence[Crop],
        texts: str | Sequence[str] = ...,
        *,
        max_new_tokens: int = 120,
        batch_size: int = 64,
        progress: Progress | None = None,
    ) -> list[str]:
        """The answer to each question about each crop. Only with the capability of this name."""
        ...

    def score_words(self, reasonings: Sequence[str], *, batch_size: int = 32) -> NDArray[np.float64]:
        """P(same person) read from each reasoning with the pictures taken away, (N,). Only with `score_words`."""
        ...

    def vision_similarity(
        self, pairs: Sequence[Pair], *, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64] | None:
        """(N, 3) cosines between the vision encoder's embeddings of the whole body, upper part and lower part.

        Only with the capability of this name. None where some picture has no embedding.
        """
        ...
