"""What a source of rollouts is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reidr.reasoning.inference.sampling import Completion
from reidr.reasoning.prompting.prompt import Images
from reidr.reasoning.types import Pair


class RolloutSource(Protocol):
    """Writes completions of the thinking prompt (`local.py`, `vllm.py`)."""

    def sample(
        self, pairs: Sequence[Pair | Images], copies: Sequence[int], *, max_new_tokens: int, seed: int
    ) -> list[list[Completion]]:
        """`copies[i]` completions for pair i. The same arguments and weights give the same completions.

        Raises ReIDError where the source cannot write them, ImageError for a picture that cannot be used.
        """
        ...
