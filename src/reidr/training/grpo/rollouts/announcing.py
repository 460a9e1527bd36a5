"""Rollouts of a long list of pairs by servers that are told what comes next, so that they never run dry."""

from __future__ import annotations

from collections.abc import Sequence

from reidr.reasoning.inference.sampling import Completion
from reidr.reasoning.prompting.prompt import Images
from reidr.reasoning.types import Pair
from reidr.training.grpo.rollouts.vllm import Asked, RolloutServer


class Announcing:
    """A source of rollouts that announces the chunks which follow the one that is asked for.

    The chunks of a run lie at even distances: behind one another, or further apart where several processes share them.
    The distance is seen from the second chunk on; so many chunks are announced as keep the servers busy. The answers
    are those of the servers alone: the completions of a pair depend on its seed, not on when it was asked for.
    """

    def __init__(self, servers: RolloutServer, pairs: Sequence[Pair], seed: int) -> None:
        """`pairs`: all that the run asks about; the chunk that begins with pair i is asked for with `seed` + i."""
        self._servers, self._pairs, self._seed = servers, pairs, seed
        self._last: int | None = None

    def sample(
        self, pairs: Sequence[Pair | Images], copies: Sequence[int], *, max_new_tokens: int, seed: int
    ) -> list[list[Completion]]:
        """As `RolloutSource.sample`."""
        start = seed - self._seed
        distance = 0 if self._last is None else start - self._last
        self._last = start
        announced: list[Asked] = []
        room = self._servers.capacity(max(copies, default=1)) if distance > 0 else 0
        following = start + distance
        while room > 0 and following < len(self._pairs):
            part = self._pairs[following : following + len(pairs)]
            announced.append(Asked(part, list(copies[:1]) * len(part), self._seed + following))
            room, following = room - len(part), following + distance
        return self._servers.sample(pairs, copies, max_new_tokens=max_new_tokens, seed=seed, announced=announced)
