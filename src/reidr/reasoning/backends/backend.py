"""What every verifier of pairs can do, wherever it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from reidr.reasoning.types import Pair, Progress, Verdict

if TYPE_CHECKING:
    from reidr.reasoning.backends.reference import Thinking


class Backend(Protocol):
    """What can judge pairs: `Reasoner`, `Engine`, and `RemoteReasoner` for any OpenAI-compatible server.

    `types.counts_of` tells what one was asked and how it ended (`RequestCounts`), whichever it is.
    """

    name: str

    def answer_logits(
        self, pairs: Sequence[Pair], *, both_orders: bool = True, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64]:
        """Logits of yes, no and insufficient without thinking, (orders, N, 3); a row's common offset means nothing."""
        ...

    def score(
        self, pairs: Sequence[Pair], *, both_orders: bool = True, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64]:
        """P(same person) without thinking, (N,); NaN for a pair without a score."""
        ...

    def think(
        self,
        pairs: Sequence[Pair],
        settings: Thinking | None = None,
        *,
        batch_size: int = 32,
        progress: Progress | None = None,
    ) -> list[Verdict]:
        """One verdict per pair, by generation."""
        ...
