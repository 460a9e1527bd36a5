"""How rationales are generated: length, temperature, seed."""

from __future__ import annotations

from dataclasses import dataclass

from reidr.errors import ReIDError


@dataclass(frozen=True)
class Thinking:
    """How completions are generated. Temperature 0 is greedy; the seed matters only above it."""

    max_new_tokens: int = 160
    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.temperature < 0:
            raise ReIDError("thinking needs at least one new token and a temperature of at least 0")
