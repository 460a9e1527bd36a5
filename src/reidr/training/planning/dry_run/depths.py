"""Numbers of a deep model from two shallow ones: all layers of a language model are alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reidr.training.planning.dry_run.passes import PassMemory, is_recurrent


class Depths:
    """A model of `layers` layers, known by two of few layers. What is added by each further layer is the same.

    A model with recurrent layers repeats in fours, others in ones; a model that is shallow itself is measured as it is.
    """

    def __init__(self, build: Callable[[int], Any], layers: int) -> None:
        """`build` makes the model of a number of layers."""
        self.layers, self.first, self.period = layers, 2, 1
        self.low = build(min(2, layers))
        if is_recurrent(self.low):
            self.first = self.period = 4
            self.low = build(min(4, layers))
        self.high = build(min(self.first + self.period, layers))

    def of(self, number: Callable[[Any], int]) -> int:
        """A number of the whole model, which grows by the same amount with each layer."""
        if self.layers <= self.first + self.period:
            return number(self.high)
        return self._extrapolated(number(self.low), number(self.high))

    def passed(self, make: Callable[[Any], PassMemory]) -> PassMemory:
        """The memory of a pass through the whole model."""
        if self.layers <= self.first + self.period:
            return make(self.high)
        low, high = make(self.low), make(self.high)
        activations = self._extrapolated(low.activations, high.activations)
        return PassMemory(activations, self._extrapolated(low.total, high.total) - activations)

    def _extrapolated(self, low: int, high: int) -> int:
        return low + (high - low) * (self.layers - self.first) // self.period
