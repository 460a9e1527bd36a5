"""Cross-entropy of the answer word after a rationale that the model has sampled, with the pictures taken away."""

from __future__ import annotations

from typing import ClassVar

from reidr.training.warmup.examples import Kind
from reidr.training.warmup.objectives.answer import Answer


class Reasoned(Answer):
    """As `Answer`, where nothing but the words is there to answer from: the model learns to judge by them."""

    kinds: ClassVar[frozenset[Kind]] = frozenset(("reasoned",))
